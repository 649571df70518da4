package budget

import "time"

// Spend are the events of an hour.
type Spend struct {
	Start      int64 // Unix seconds
	Bad, Total uint64
}

// Forecast says how a budget goes on.
type Forecast struct {
	Points []ForecastPoint // hourly, the first one is now
	// Exhausted is when no budget is left, Earliest and Latest bound it; zero where that is not within the forecast.
	Exhausted, Earliest, Latest time.Time
	Reason                      string // one sentence: what it is made from, or why there is none
}

// ForecastPoint is the share of the budget that is left at a time; four of five futures are between Low and High.
type ForecastPoint struct {
	At              int64 // Unix seconds
	Left, Low, High float64
}

// Predict forecasts a budget from hourly spend, the oldest first, hours without events may be left out.
func Predict(hours []Spend, now int64, target Target, window Window) Forecast {
	return Forecast{}
}
