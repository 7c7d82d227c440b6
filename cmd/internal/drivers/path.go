package drivers

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// byPath is a device whose URL names a file that is no serial line. read's result opens it.
func byPath[T io.Closer](d Driver[T], read func(path string, p params) (func(context.Context) (Opened[T], error), error)) Driver[T] {
	d.prepare = func(text string) (func(context.Context) (Opened[T], error), error) {
		path, given, err := parsePath(text, names(d.Params))
		if err != nil {
			return nil, fmt.Errorf("drivers: %w", err)
		}
		open, err := read(path, params{known: d.Params, given: given})
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", Scheme(text), text, err)
		}
		return open, nil
	}
	return d
}

// parsePath reads scheme:///path?name=value&…
func parsePath(text string, known []string) (path string, given map[string]string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", nil, err
	}
	if u.Host != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" || u.Path == "" {
		return "", nil, fmt.Errorf("%q is not scheme:///path?name=value", text)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", nil, fmt.Errorf("%q: %w", text, err)
	}
	given = map[string]string{}
	for name, values := range query {
		switch {
		case !slices.Contains(known, name):
			return "", nil, fmt.Errorf("%q: unknown parameter %q, known are %s", text, name, strings.Join(known, ", "))
		case len(values) != 1:
			return "", nil, fmt.Errorf("%q: parameter %q is given %d times", text, name, len(values))
		}
		given[name] = values[0]
	}
	return u.Path, given, nil
}
