package budget

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"loadline/internal/sli"
)

// Presets are the names that [Preset] knows, the default first.
func Presets() []string { return []string{"default", "page", "ticket", "none", "sloth", "pyrra"} }

// DefaultPolicy pages and opens tickets by [DefaultTiers], asks for significance, keeps firing for five minutes, keeps its
// state without data and opens a ticket about that.
func DefaultPolicy(window Window) Policy {
	return Policy{
		Tiers:       DefaultTiers(window),
		KeepFiring:  5 * time.Minute,
		Guard:       true,
		HoldNoData:  true,
		Clamp:       true,
		NoDataAlert: Ticket,
	}
}

// Preset is the policy of a name for a window: the default one, its pages or its tickets only, none, or the rules that
// Sloth or Pyrra would have written, which neither guard nor hold. It reports false for other names.
func Preset(name string, window Window) (Policy, bool) {
	p := DefaultPolicy(window)
	switch name {
	case "default":
	case "page":
		p.Tiers = slices.DeleteFunc(p.Tiers, func(t Tier) bool { return t.Severity != Page })
	case "ticket":
		p.Tiers = slices.DeleteFunc(p.Tiers, func(t Tier) bool { return t.Severity != Ticket })
	case "none":
		p = Policy{}
	case "sloth":
		p = Policy{Tiers: slothTiers(window.Nominal())}
	case "pyrra":
		p = Policy{Tiers: pyrraTiers(window.Nominal())}
	default:
		return Policy{}, false
	}
	return p, true
}

// month is the window that the tiers of the Site Reliability Workbook are made for.
const month = 30 * Day

// monthTiers are the tiers of a window of 30 days.
func monthTiers() []Tier {
	return []Tier{
		{Name: "page-fast", Severity: Page, Long: time.Hour, Short: 5 * time.Minute, Burn: NewRatio(144, 10)},
		{Name: "page-slow", Severity: Page, Long: 6 * time.Hour, Short: 30 * time.Minute, Burn: NewRatio(6, 1)},
		{Name: "ticket-fast", Severity: Ticket, Long: Day, Short: 2 * time.Hour, Burn: NewRatio(3, 1)},
		{Name: "ticket-slow", Severity: Ticket, Long: 3 * Day, Short: 6 * time.Hour, Burn: NewRatio(1, 1)},
	}
}

// DefaultTiers are four tiers for a window. About a month keeps the workbook's windows and shares of the budget. Shorter
// windows keep its burn rates and shorten the tiers' windows. Longer ones keep its pages, which are about how fast people
// react, and lengthen its tickets.
func DefaultTiers(window Window) []Tier {
	period := window.Nominal()
	if period >= 27*Day && period <= 31*Day {
		return shareTiers(period, []uint64{20, 50, 100, 100})
	}
	tiers := monthTiers()
	for i := range tiers {
		t := &tiers[i]
		if period > month && t.Severity == Page {
			continue
		}
		t.Short = max(scale(t.Short, period, month, sli.Slot), time.Minute)
		t.Long = max(scale(t.Long, period, month, sli.Slot), 2*t.Short)
	}
	return tiers
}

// slothTiers are Sloth's: the windows of a month, each with its share of the budget. For a week its users take larger
// shares.
func slothTiers(period time.Duration) []Tier {
	if period <= 7*Day {
		return shareTiers(period, []uint64{80, 125, 200, 420})
	}
	return shareTiers(period, []uint64{20, 50, 100, 100})
}

// shareTiers are tiers with the windows of a month that hold when a share of the budget, in thousandths, is spent within
// the long window. Burn rates are rounded to four decimals.
func shareTiers(period time.Duration, shares []uint64) []Tier {
	tiers := monthTiers()
	for i := range tiers {
		t := &tiers[i]
		long := uint64(t.Long / time.Second)
		t.Burn = NewRatio((shares[i]*10*uint64(period/time.Second)+long/2)/long, 10_000)
	}
	return tiers
}

// pyrraTiers are Pyrra's, made for four weeks.
func pyrraTiers(period time.Duration) []Tier {
	const weeks = 28 * Day
	tiers := monthTiers()
	tiers[3].Long = 4 * Day
	wait := []time.Duration{2 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour}
	burn := []uint64{14, 7, 2, 1}
	for i := range tiers {
		t := &tiers[i]
		t.Short = max(scale(t.Short, period, weeks, time.Minute), time.Minute)
		t.Long = max(scale(t.Long, period, weeks, time.Minute), 2*t.Short)
		t.For = scale(wait[i], period, weeks, time.Minute)
		t.Burn = NewRatio(burn[i], 1)
	}
	return tiers
}

// scale is d*num/den, rounded to a multiple of unit; all are whole seconds.
func scale(d, num, den, unit time.Duration) time.Duration {
	product, divisor := (d/time.Second)*(num/time.Second), den/time.Second*unit/time.Second
	return (product + divisor/2) / divisor * unit
}

// maxTiers bounds the tiers of a policy, maxBurn the burn rate of a tier, and maxWait how long either waits.
const (
	maxTiers = 8
	maxBurn  = 10_000
	maxWait  = 2 * Day
)

// Validate refuses policies that cannot be evaluated over a window. All errors are reported at once.
func (p Policy) Validate(window Window) error {
	var errs []error
	if len(p.Tiers) > maxTiers {
		errs = append(errs, fmt.Errorf("policy has %d tiers, more than %d", len(p.Tiers), maxTiers))
	}
	for i, t := range p.Tiers {
		if slices.ContainsFunc(p.Tiers[:i], func(u Tier) bool { return u.Name == t.Name }) {
			errs = append(errs, fmt.Errorf("tier %q is there twice", t.Name))
		}
		if err := t.validate(window.Nominal()); err != nil {
			errs = append(errs, fmt.Errorf("tier %q: %w", t.Name, err))
		}
	}
	if p.For < 0 || p.For > maxWait || p.KeepFiring < 0 || p.KeepFiring > maxWait {
		errs = append(errs, errors.New("policy waits less than nothing or longer than two days"))
	}
	if p.Mode > ByBudget {
		errs = append(errs, fmt.Errorf("policy mode %d is not known", p.Mode))
	}
	if s := p.NoDataAlert; s != "" && s != Page && s != Ticket {
		errs = append(errs, fmt.Errorf("no-data severity %q is neither page nor ticket", s))
	}
	return errors.Join(errs...)
}

func (t Tier) validate(period time.Duration) error {
	switch {
	case t.Name == "" || strings.TrimSpace(t.Name) != t.Name || len(t.Name) > 63:
		return errors.New("its name is empty, longer than 63 bytes or begins or ends with a space")
	case t.Name == "no-data" || strings.HasPrefix(t.Name, "budget-"):
		return errors.New("its name is that of an alert which is there beside the tiers: choose another one")
	case t.Severity != Page && t.Severity != Ticket:
		return fmt.Errorf("severity %q is neither page nor ticket", t.Severity)
	case t.Short < sli.Slot || t.Short%sli.Slot != 0 || t.Long%sli.Slot != 0:
		return fmt.Errorf("windows %s and %s are not multiples of 10 s", FormatDuration(t.Long), FormatDuration(t.Short))
	case t.Short > t.Long:
		return fmt.Errorf("short window %s is longer than the long one, %s", FormatDuration(t.Short), FormatDuration(t.Long))
	case t.Long > period:
		return fmt.Errorf("window %s is longer than the objective's, %s", FormatDuration(t.Long), FormatDuration(period))
	case t.Burn.Num == 0 || t.Burn.Cmp(Ratio{Num: maxBurn, Den: 1}) > 0:
		return fmt.Errorf("burn rate %s is not above 0 and at most %d", t.Burn, maxBurn)
	case 1_000_000%t.Burn.den() != 0:
		return fmt.Errorf("burn rate %s has more than six decimals", t.Burn)
	case t.For < 0 || t.For > maxWait:
		return errors.New("it waits less than nothing or longer than two days")
	}
	return nil
}
