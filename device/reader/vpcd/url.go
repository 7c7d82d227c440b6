package vpcd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// DefaultPort is vsmartcard's, 8C7B.
const DefaultPort = 0x8C7B

// Address is where cards come from, as the configuration names it.
type Address struct {
	TCP     string // host:port
	Connect bool   // the card listens there; else we do
}

// ParseURL reads one of
//
//	vpcd:                                        cards connect to 127.0.0.1:35963
//	vpcd://127.0.0.1:35964                       … to that port
//	vpcd://127.0.0.1:35963?role=connect          the card listens there, we connect
//
// The host must be one of this machine's own addresses (127.0.0.0/8, ::1, localhost): over
// a network anybody could be the card; that is what an encrypted tunnel is for.
func ParseURL(text string) (Address, error) {
	a, err := parseURL(text)
	if err != nil {
		return Address{}, fmt.Errorf("vpcd: %q: %w", text, err)
	}
	return a, nil
}

func parseURL(text string) (Address, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return Address{}, errors.New("not a URL")
	case u.Scheme != "vpcd" || u.User != nil || u.Opaque != "" || u.Fragment != "" || u.Path != "":
		return Address{}, errors.New("not vpcd://host:port?role=listen or connect")
	}
	host, port, err := hostPort(u)
	if err != nil {
		return Address{}, err
	}
	a := Address{TCP: net.JoinHostPort(host, port)}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Address{}, err
	}
	for name, values := range query {
		switch {
		case name != "role":
			return Address{}, fmt.Errorf("unknown parameter %q, known is role", name)
		case len(values) != 1 || values[0] != "listen" && values[0] != "connect":
			return Address{}, fmt.Errorf("role=%q is neither listen nor connect", values)
		}
		a.Connect = values[0] == "connect"
	}
	return a, nil
}

func hostPort(u *url.URL) (host, port string, err error) {
	host, port = u.Hostname(), u.Port()
	if host == "" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return "", "", fmt.Errorf("host %s is not this machine: cards are taken from here only", host)
	}
	if port == "" {
		port = strconv.Itoa(DefaultPort)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("port %q is not 1 to 65535", port)
	}
	return host, port, nil
}

// Open opens what the URL names, and says what it does there: "listening on …".
func Open(text string, config Config) (*Reader, string, error) {
	a, err := ParseURL(text)
	if err != nil {
		return nil, "", err
	}
	if a.Connect {
		r, err := New(Dial(a.TCP), config)
		return r, "card at " + a.TCP, err
	}
	l, err := Listen(a.TCP)
	if err != nil {
		return nil, "", err
	}
	r, err := New(l, config)
	if err != nil {
		_ = l.Close() // the other error is the one that says something
	}
	return r, "listening on " + a.TCP, err
}
