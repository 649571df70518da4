package otlp

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/collector/config/configtls"
)

// Config says where and within which limits OTLP is received. Zero values mean the defaults.
type Config struct {
	// GRPCAddress and HTTPAddress are where to listen; 127.0.0.1:4317 and 127.0.0.1:4318 by default, since without
	// Authorize everybody who reaches them may write. Equal addresses share one port.
	GRPCAddress string
	HTTPAddress string
	// TLS makes both ports speak TLS only.
	TLS *TLS
	// MaxRequestBytes limits one request after decompression; 64 MiB by default.
	MaxRequestBytes int
	// MaxInflightBytes limits the requests that are read and stored at one time; 256 MiB by default, and at least three
	// times MaxRequestBytes, which is what one takes while it is decompressed. Requests beyond it are refused with an error that senders retry.
	MaxInflightBytes int64
	// MaxConnections limits open connections to both ports together; 4096 by default.
	MaxConnections int
	// MaxConnectionAge is when a connection is asked to be opened anew, so that senders spread over replicas behind a
	// load balancer; 30 minutes by default.
	MaxConnectionAge time.Duration
	// DrainTimeout limits how long Run waits for requests at work when it stops; 10 seconds by default.
	DrainTimeout time.Duration
	// AllowedOrigins lists the web origins, as in https://shop.example, whose pages may send telemetry over HTTP, or
	// "*" for all. Empty means none.
	AllowedOrigins []string
	// Authorize checks the headers of a request, those of HTTP or the metadata of gRPC, before its body is read. It
	// may be called concurrently. Nil lets everybody in. See ErrUnauthenticated and ErrForbidden.
	Authorize func(http.Header) error
	// Log takes refusals, one a minute of each reason; slog.Default by default.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.GRPCAddress == "" {
		c.GRPCAddress = "127.0.0.1:4317"
	}
	if c.HTTPAddress == "" {
		c.HTTPAddress = "127.0.0.1:4318"
	}
	if c.MaxRequestBytes == 0 {
		c.MaxRequestBytes = 64 << 20
	}
	if c.MaxInflightBytes == 0 {
		c.MaxInflightBytes = max(256<<20, 3*int64(c.MaxRequestBytes))
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 4096
	}
	if c.MaxConnectionAge == 0 {
		c.MaxConnectionAge = 30 * time.Minute
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// Validate returns an error that says what to change.
func (c Config) Validate() error {
	c = c.withDefaults()
	if c.MaxRequestBytes < 1<<10 || c.MaxRequestBytes > 1<<30 {
		return fmt.Errorf("OTLP request limit of %d bytes: choose between 1 KiB and 1 GiB", c.MaxRequestBytes)
	}
	if c.MaxInflightBytes < 3*int64(c.MaxRequestBytes) {
		return fmt.Errorf("OTLP memory limit of %d bytes: a request of the allowed %d bytes needs three times its size while it is decompressed",
			c.MaxInflightBytes, c.MaxRequestBytes)
	}
	if c.MaxConnections < 0 || c.MaxConnectionAge < 0 || c.DrainTimeout < 0 {
		return fmt.Errorf("OTLP limits: connections %d, connection age %s and drain timeout %s must not be negative",
			c.MaxConnections, c.MaxConnectionAge, c.DrainTimeout)
	}
	for _, origin := range c.AllowedOrigins {
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return fmt.Errorf("OTLP allowed origin %q: write it as a browser does, scheme and host without a path, as in https://shop.example",
				origin)
		}
	}
	if c.TLS != nil {
		_, err := c.TLS.load()
		return err
	}
	return nil
}

// TLS names the files of a TLS server. They are read anew every minute, so that certificates can be renewed without
// a restart.
type TLS struct {
	CertFile string
	KeyFile  string
	// ClientCAFile, if it is set, demands of senders a certificate of one of its authorities.
	ClientCAFile string
}

// certificateReload is how long a renewed certificate may wait.
const certificateReload = time.Minute

func (t TLS) load() (*tls.Config, error) {
	files := configtls.NewDefaultServerConfig()
	files.CertFile, files.KeyFile, files.ReloadInterval = t.CertFile, t.KeyFile, certificateReload
	files.ClientCAFile, files.ReloadClientCAFile = t.ClientCAFile, t.ClientCAFile != ""
	if err := files.Validate(); err != nil {
		return nil, fmt.Errorf("OTLP TLS: %w", err)
	}
	config, err := files.LoadTLSConfig(context.Background())
	if err != nil {
		return nil, fmt.Errorf("OTLP TLS: %w", err)
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	return config, nil
}
