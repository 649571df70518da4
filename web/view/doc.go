// Package view is what the dashboard looks like: templ components, one file per page, and the values that they show.
// Components are pure: they take a value that is shaped like the screen, do no arithmetic and ask nobody. The numbers
// in those values are text already, written by the functions of format.go.
package view
