package faults

// Plan is what a client is to do: the first line of its standard input, as JSON.
type Plan struct {
	// Client names it, such as the cloud that it is in.
	Client string `json:"client"`
	// Resolver is the address of the name server that knows the names below.
	Resolver string `json:"resolver"`
	// Write and Read are services, by their full names.
	Write string `json:"write"`
	Read  string `json:"read"`
	// Members is a name that leads to all members. The client tries to write to each:
	// who is cut off must not hide it.
	Members string `json:"members"`
	// CA is the PEM of the authority that signs the servers' certificates, and Name the
	// one that each of them has. Password is the superuser's.
	CA       string `json:"ca"`
	Name     string `json:"name"`
	Password string `json:"password"`
}
