// Package control is the local control socket of the agent.
package control
