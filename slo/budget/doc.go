// Package budget is the arithmetic of service level objectives: targets, windows, burn rates, and the budgets they leave.
// Everything here is a function of its arguments, and what decides is computed in whole numbers.
package budget
