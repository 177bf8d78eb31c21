package wstest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// script is a case that is being compiled.
type script struct {
	*Case
	steps []func(*Peer)
	wants []Expect // what the statements before have asked of the endpoint

	frames int // sent since the endpoint was last asked for something
	most   int // the most that frames has been
}

func (c *Case) compile(body []line, r *strings.Replacer) error {
	s := script{Case: c}
	for _, l := range body {
		l.text = r.Replace(l.text)
		if err := s.statement(l.text); err != nil {
			return l.errorf("%w", err)
		}
	}
	s.settle()
	if c.Cuts == nil {
		c.Cuts = s.cuts()
	}
	steps := s.steps
	c.Play = func(p *Peer) {
		p.t.Helper()
		for _, step := range steps {
			step(p)
		}
	}
	return nil
}

// cuts are the usual ones, without those that make no difference.
func (s *script) cuts() []Cut {
	switch {
	case s.Opening.Status != 0:
		return []Cut{Whole}
	case s.most < 2:
		return []Cut{Whole, 1}
	}
	return []Cut{Whole, Frames, 1}
}

func (s *script) add(step func(*Peer)) {
	s.settle()
	s.steps = append(s.steps, step)
	s.frames = 0
}

// settle ends a list of what the endpoint must do.
func (s *script) settle() {
	if list := s.wants; list != nil {
		s.wants, s.frames = nil, 0
		s.steps = append(s.steps, func(p *Peer) { p.t.Helper(); p.Want(list...) })
	}
}

// statement compiles one line.
func (s *script) statement(text string) error {
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "": // a table's way to say that there is nothing
	case "eof":
		s.wants = append(s.wants, Expect{End: true})
	case "closed":
		s.wants = append(s.wants, Expect{Closed: true})
	case "bye":
		s.add((*Peer).Bye)
	case "fails", "refuses":
		code, err := strconv.Atoi(rest)
		kind := map[string]string{"fails": "protocol", "refuses": "limit"}[word]
		list := s.wants
		s.wants = nil
		s.add(func(p *Peer) { p.t.Helper(); p.Fails(kind, code, list...) })
		return err
	case "leave":
		s.add((*Peer).Leave)
	case "vanish":
		s.add((*Peer).Vanish)
	case "wait":
		d, err := time.ParseDuration(rest)
		s.add(func(p *Peer) { p.Wait(d) })
		return err
	case "app", "told":
		return s.application(word, fields(rest))
	default:
		if strings.Trim(word[:1], "<>") == "" {
			return s.arrow(word, rest)
		}
		return s.setting(word, rest)
	}
	return nil
}

// arrow compiles what one of both ends sends. A number behind the arrow says how
// often.
func (s *script) arrow(arrow, text string) error {
	kind := strings.TrimRight(arrow, "0123456789")
	times := 1
	if count := arrow[len(kind):]; count != "" {
		times, _ = strconv.Atoi(count) // digits
	}
	if kind == "<" && text == "nothing" {
		s.add((*Peer).Silence)
		return nil
	}
	e, err := parseExpect(text)
	for range times {
		switch kind {
		case ">":
			err = s.send(text)
		case "<":
			s.wants = append(s.wants, e)
		case "<>":
			err = s.send(text)
			s.add(func(p *Peer) { p.t.Helper(); p.Want(e) })
		default:
			return fmt.Errorf("unknown statement")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *script) send(text string) error {
	words := fields(text)
	var step func(*Peer)
	var err error
	if len(words) > 0 && words[0] == "rest" {
		var b []byte
		b, err = payload(words[1:])
		step = func(p *Peer) { p.SendRest(b) }
	} else {
		var f Frame
		f, err = parseFrameText(words)
		step = func(p *Peer) { p.Send(f) }
		if f.Fragments > 0 {
			s.frames++ // there are two at least
		}
	}
	s.settle()
	s.steps = append(s.steps, step)
	s.frames++
	s.most = max(s.most, s.frames)
	return err
}

// application compiles what the application does or is told.
func (s *script) application(word string, words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("want more")
	}
	verb, words := words[0], words[1:]
	code := 0
	if len(words) > 0 {
		if n, err := strconv.Atoi(words[0]); err == nil {
			code, words = n, words[1:]
		}
	}
	if word == "app" && verb == "begin" {
		s.add(func(p *Peer) { p.t.Helper(); p.Do(Action{Verb: verb, Text: words[0] == "text"}) })
		return nil
	}
	text, err := payload(words)
	if word == "app" {
		s.add(func(p *Peer) { p.t.Helper(); p.Do(Action{Verb: verb, Code: code, Payload: text}) })
		return err
	}
	s.add(func(p *Peer) { p.t.Helper(); p.Told(Verdict{verb, code, string(text)}) })
	return err
}

// setting compiles the statements about the endpoint and the handshake.
func (s *script) setting(word, rest string) error {
	o := &s.Opening
	if strings.HasPrefix(rest, `"`) {
		text, err := payload(fields(rest))
		if err != nil {
			return err
		}
		rest = string(text)
	}
	switch word {
	case "role":
		s.Roles = append(s.Roles, Role(rest))
	case "cuts":
		return s.setCuts(strings.Fields(rest))
	case "limit":
		name, value, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(value)
		if field := s.limit(name); field != nil {
			*field = n
			return err
		}
		return fmt.Errorf("limit %q is unknown", name)
	case "deflate":
		s.Setup.Deflate = true
		o.Offer = &Offer{}
		o.Answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	case "compression":
		s.Setup.Deflate = true
	case "accepts":
		offer, err := parseOffer(rest)
		o.Accept = &offer
		return err
	case "answer":
		o.Answer = rest
	case "protocols":
		s.Setup.Subprotocols = strings.Fields(rest)
	case "line":
		o.Line = rest
	case "set":
		o.Set = append(o.Set, rest)
	case "add":
		o.Add = append(o.Add, rest)
	case "drop":
		o.Drop = append(o.Drop, rest)
	case "before":
		o.Before = rest
	case "body":
		o.Body = rest
	case "header":
		o.Want = append(o.Want, rest)
	case "answered", "gives-up":
		status, field, _ := strings.Cut(rest, " ")
		if status == "none" {
			status = "-1"
		}
		n, err := strconv.Atoi(status)
		o.Status = n
		if field != "" {
			o.Want = append(o.Want, field)
		}
		return err
	default:
		return fmt.Errorf("unknown statement")
	}
	return nil
}

// parseOffer reads the parameters of permessage-deflate.
func parseOffer(text string) (o Offer, err error) {
	for _, part := range splitTrim(text, ";") {
		name, value, hasValue := cutTrim(part, "=")
		bits := NoValue
		if hasValue {
			if bits, err = strconv.Atoi(unquote(value)); err != nil {
				return o, err
			}
		}
		switch name {
		case "permessage-deflate":
		case "server_no_context_takeover":
			o.ServerNoTakeover = true
		case "client_no_context_takeover":
			o.ClientNoTakeover = true
		case "server_max_window_bits":
			o.ServerBits = bits
		case "client_max_window_bits":
			o.ClientBits = bits
		default:
			return o, fmt.Errorf("parameter %q is unknown", name)
		}
	}
	return o, nil
}

func (s *script) limit(name string) *int {
	return map[string]*int{
		"message":   &s.Setup.MaxMessage,
		"fragments": &s.Setup.MaxFragments,
		"empty":     &s.Setup.MaxEmptyFragments,
		"control":   &s.Setup.MaxControlFrames,
		"ratio":     &s.Setup.MaxInflateRatio,
	}[name]
}

func (s *script) setCuts(words []string) error {
	for _, w := range words {
		cut := Cut(0)
		switch w {
		case "whole":
			cut = Whole
		case "frames":
			cut = Frames
		default:
			n, err := strconv.Atoi(w)
			if err != nil || n <= 0 {
				return fmt.Errorf("cut %q is unknown", w)
			}
			cut = Cut(n)
		}
		s.Cuts = append(s.Cuts, cut)
	}
	return nil
}
