package distributed

import "time"

// vars are the numbers of Vars. Their names are promised.
type vars struct {
	Name      string  `json:"name"`
	Uptime    float64 `json:"uptime_seconds"`
	Processes int     `json:"processes"`
	Zombies   int     `json:"zombies"`
	Spawned   uint64  `json:"spawned"`
	Ended     uint64  `json:"ended"`
	Crashed   uint64  `json:"crashed"`
	GaveUp    uint64  `json:"gave_up"`
	Dropped   uint64  `json:"messages_dropped"`
	Lost      uint64  `json:"events_lost"`
}

// Vars returns the numbers of [NodeStats] as package expvar wants to have them:
//
//	expvar.Publish("node", expvar.Func(node.Vars))
//
// As JSON they are an object with the members name, uptime_seconds, processes, zombies,
// spawned, ended, crashed, gave_up, messages_dropped and events_lost, of which the last six
// only grow. It takes no lock and looks at no process, however many there are.
func (n *Node) Vars() interface{} { return n.vars() }

func (n *Node) vars() vars {
	s := n.Stats()
	return vars{
		Name:      n.identity.name,
		Uptime:    time.Since(n.start).Seconds(),
		Processes: s.Processes,
		Zombies:   s.Zombies,
		Spawned:   s.Spawned,
		Ended:     s.Ended,
		Crashed:   s.Crashed,
		GaveUp:    s.GaveUp,
		Dropped:   s.Dropped,
		Lost:      s.Lost,
	}
}
