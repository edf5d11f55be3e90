// Package watch is what the page (package web) and the terminal (package top) have
// in common: a mount that is watched, what of it may be changed, and the rates that
// two readings of its figures tell.
package watch
