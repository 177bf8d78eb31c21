package restart

// Kind says which ends of a child it is started again after.
type Kind uint8

// The kinds of children.
const (
	Permanent Kind = iota // all
	Transient             // those that are not in good order
	Temporary             // none
)

// Decision is what becomes of a child that has ended.
type Decision uint8

// The decisions.
const (
	Restart Decision = iota
	Keep             // it is not started again, but its supervisor remembers it
	Forget
)

// Decide judges a child that has ended by itself. ordered says that it was in good order.
func Decide(k Kind, ordered bool) Decision {
	switch {
	case k == Temporary:
		return Forget
	case k == Transient && ordered:
		return Keep
	}
	return Restart
}

// Auto says whether a supervisor ends when significant children have.
type Auto uint8

// What a supervisor does when a significant child ends by itself and is not started again.
const (
	Never Auto = iota
	Any        // it ends
	All        // it ends if that was the last one
)

// Ends reports whether the supervisor ends too when a child has ended by itself and is not
// started again. others says that other significant children have not.
func (a Auto) Ends(significant, others bool) bool {
	return significant && (a == Any || a == All && !others)
}
