// Package restart decides what a supervisor does when a child has ended: whether it is
// started again, whether that happens too often, how long to wait before, and whether the
// supervisor ends with it. It knows no processes; time and random numbers are arguments.
//
// The rules are those of OTP's module supervisor, with one difference: OTP counts whole
// seconds, so that its window is up to a second longer than the period it was given.
package restart
