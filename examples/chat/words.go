package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest names and texts, in characters.
const (
	maxName     = 32
	maxRoomName = 40
	maxText     = 2000
	maxRef      = 64 // bytes
)

// cleanName returns a name on one line, without space around it, or an error that
// tells the person who chose it why it will not do.
func cleanName(what, s string, limit int) (string, error) {
	s = strings.Join(strings.Fields(s), " ")
	switch {
	case s == "":
		return "", fmt.Errorf("the %s is empty", what)
	case utf8.RuneCountInString(s) > limit:
		return "", fmt.Errorf("the %s is longer than %d characters", what, limit)
	case strings.ContainsFunc(s, unprintable):
		return "", fmt.Errorf("the %s has characters in it that cannot be shown", what)
	case !strings.ContainsFunc(s, visible):
		return "", fmt.Errorf("the %s cannot be seen", what)
	}
	return s, nil
}

// cleanText returns what is to be said: without control characters other than
// tabs and line ends, and without space around it.
func cleanText(s string) (string, error) {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
	switch {
	case !strings.ContainsFunc(s, visible):
		return "", errors.New("the message is empty")
	case utf8.RuneCountInString(s) > maxText:
		return "", fmt.Errorf("the message is longer than %d characters", maxText)
	}
	return s, nil
}

// unprintable tells the characters that would change how the text around a name
// is shown: controls, and those that turn the direction of writing.
func unprintable(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// visible tells the characters that leave a trace by themselves.
func visible(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S)
}
