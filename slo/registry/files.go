package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"loadline/slo/spec"
	"loadline/slo/spec/definition"
	"loadline/slo/store"
)

// fileSource is what the source of an object from a file begins with; the file's path below the configured one follows.
const fileSource = "file:"

// maxFile bounds a file.
const maxFile = 1 << 20

// files is what has been made of the files.
type files struct {
	// seen is the text of each object when the files were last applied, by this node or, before that, by any. Only what
	// differs from it is applied, so that an edit on a page stands until its file changes.
	seen map[key]string
	// done is the content that was last looked at, and revision the definitions that it was compared with; problems came of
	// it.
	done     [sha256.Size]byte
	revision uint64
	problems []spec.Problem
}

// loadFiles applies the files as a whole, or, if one of them has an error, none. It returns their problems.
func (r *Registry) loadFiles(ctx context.Context, now time.Time) ([]spec.Problem, error) {
	texts, sum, err := readFiles(r.cfg.Path)
	if err != nil {
		// Files that cannot be read have not disappeared.
		return []spec.Problem{{
			Severity: spec.Error, File: r.cfg.Path, Message: err.Error(), Remedy: "make the files readable; the definitions from before stay in force",
		}}, nil
	}
	if sum == r.files.done && r.files.revision == r.definitions().revision {
		return r.files.problems, nil
	}
	if r.files.seen == nil {
		if err := r.recall(ctx); err != nil {
			return nil, err
		}
	}
	var objects []definition.Object
	var problems []spec.Problem
	for _, f := range texts {
		read, found := definition.Parse(f.path, f.text)
		objects, problems = append(objects, read...), append(problems, found...)
	}
	problems = append(problems, twice(objects)...)
	if !spec.Failed(problems) {
		if problems, err = r.applyFiles(ctx, now, objects, problems); err != nil {
			return nil, err
		}
	}
	r.files.done, r.files.revision, r.files.problems = sum, r.definitions().revision, problems
	return problems, nil
}

// recall reads what files said last, to whichever node.
func (r *Registry) recall(ctx context.Context) error {
	objects, err := r.store.FromFiles(ctx)
	if err != nil {
		return fmt.Errorf("read definitions: %w", err)
	}
	r.files.seen = map[key]string{}
	for _, o := range objects {
		if !o.Deleted {
			r.files.seen[key{o.Kind, o.Name}] = o.Text
		}
	}
	return nil
}

// applyFiles applies what differs from what was seen before.
func (r *Registry) applyFiles(ctx context.Context, now time.Time, objects []definition.Object, problems []spec.Problem) ([]spec.Problem, error) {
	seen := map[key]string{}
	for _, o := range objects {
		seen[key{o.Kind, o.Name}] = o.Text
	}
	for range attempts {
		base := r.definitions()
		q := request{problems: problems, edits: r.fileEdits(base, objects, seen)}
		report, needed := q.report(base)
		if report.Refused {
			return report.Problems, nil
		}
		if len(needed) > 0 {
			_, err := r.commit(ctx, now, base, "file", needed)
			if errors.Is(err, store.ErrConflict) {
				err = r.sync(ctx)
				if err == nil {
					continue
				}
			}
			if err != nil {
				return nil, err
			}
		}
		r.files.seen = seen
		return problems, nil // those of references are the definitions' now
	}
	return nil, fmt.Errorf("apply files: other nodes were faster %d times", attempts)
}

// fileEdits returns the objects whose text has changed, and deletions of those that are in no file any more and that
// nobody has edited since.
func (r *Registry) fileEdits(base *definitions, objects []definition.Object, texts map[key]string) []edit {
	var edits []edit
	for _, o := range objects {
		k := key{o.Kind, o.Name}
		if old, known := r.files.seen[k]; !known || old != o.Text {
			edits = append(edits, edit{key: k, object: o, source: fileSource + r.relative(o.File)})
		}
	}
	for _, k := range base.keys() {
		_, was := r.files.seen[k]
		_, is := texts[k]
		if source := base.stored[k].Source; was && !is && strings.HasPrefix(source, fileSource) {
			edits = append(edits, edit{key: k, delete: true, source: source})
		}
	}
	return edits
}

// relative is a file's path below the configured one, or its name if that is the file itself.
func (r *Registry) relative(path string) string {
	if rel, err := filepath.Rel(r.cfg.Path, path); err == nil && rel != "." {
		return filepath.ToSlash(rel)
	}
	return filepath.Base(path)
}

// fileText is a file as it was read.
type fileText struct {
	path string
	text []byte
}

// readFiles reads a file, or all files of YAML below a directory in order of their paths, and sums up what they say.
func readFiles(path string) ([]fileText, [sha256.Size]byte, error) {
	var out []fileText
	all := sha256.New()
	info, err := os.Stat(path)
	switch {
	case err != nil:
	case !info.IsDir():
		out, err = readFile(out, all, path)
	default:
		err = filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
			hidden := p != path && strings.HasPrefix(entry.Name(), ".")
			ext := filepath.Ext(p)
			switch {
			case err != nil:
				return err
			case entry.IsDir() && hidden:
				return fs.SkipDir
			case entry.IsDir(), hidden, ext != ".yaml" && ext != ".yml":
				return nil
			}
			out, err = readFile(out, all, p)
			return err
		})
	}
	return out, [sha256.Size]byte(all.Sum(nil)), err
}

// readFile appends a file. Links are followed, since mounted configuration consists of them.
func readFile(to []fileText, all hash.Hash, path string) ([]fileText, error) {
	info, err := os.Stat(path)
	if err != nil {
		return to, err
	}
	if info.IsDir() {
		return to, nil
	}
	if !info.Mode().IsRegular() {
		return to, fmt.Errorf("%q is no regular file but has mode %s", path, info.Mode()) // to open a pipe may take for ever
	}
	text, err := readLimited(path)
	if err != nil {
		return to, err
	}
	if len(text) > maxFile {
		return to, fmt.Errorf("file %q has more than %d bytes", path, maxFile)
	}
	fmt.Fprintf(all, "%q %d\n", path, len(text))
	all.Write(text)
	return append(to, fileText{path, text}), nil
}

// readLimited reads a file up to one byte more than it may have, however it grows.
func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}
