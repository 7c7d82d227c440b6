package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"posd/cmd/internal/qrtext"
	"posd/emv/keyblock"
	hostsim "posd/host-sim"
	"posd/host-sim/enrolment"
	"posd/transport/enrol"
)

// enrolAuto is the port after that of the host.
const enrolAuto = "next"

// enrolAddress is where new terminals are listened for; "" for nowhere.
func (s *serving) enrolAddress() (string, error) {
	if s.enrol != enrolAuto {
		return s.enrol, nil
	}
	host, port, err := net.SplitHostPort(s.listen)
	if err != nil {
		return "", fmt.Errorf("--listen: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return "", fmt.Errorf("--listen: port %q: a number wanted", port)
	}
	if n != 0 { // a free one stays a free one
		n++
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), nil
}

// serve runs the host, and beside it the listener for new terminals.
func (s *serving) serve(ctx context.Context, h *hostsim.Host, stdout io.Writer) error {
	address, err := s.enrolAddress()
	if err != nil || address == "" {
		return errors.Join(err, h.Run(ctx))
	}
	server, err := h.EnrolmentServer()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("--enrol: %w", err)
	}
	print := fingerprint(h)
	fmt.Fprintf(stdout, "hostsim: enrolment on %v, authority %s\n", ln.Addr(), hex.EncodeToString(print[:]))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.Run(ctx) })
	group.Go(func() error { return server.Serve(ctx, ln) })
	return group.Wait()
}

// fingerprint is by what terminals know the host's authority.
func fingerprint(h *hostsim.Host) [32]byte {
	block, _ := pem.Decode(h.CA()) // our own
	return sha256.Sum256(block.Bytes)
}

// inviting are the flags of invite and terminal swap.
type inviting struct {
	in      enrolment.Invitation
	suite   string
	address string
	qr      bool
}

func newInvite(o *options) *cobra.Command {
	v := &inviting{}
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Give out an activation code for a new terminal",
		Long: `invite binds the serial number of a device to a terminal number of a merchant, which is
made where it is new, and prints the activation code: it is good once, for a limited time,
for that device. The QR code has the whole activation for posctl enrol. It works also while
the host runs. A terminal number that has a device gets the new one when the code is used;
the old device is refused from then on.`,
		Example: `  hostsim invite --sn POSD00000001 --tid POSD0009 --mid 104403154110001 --bank "ICBC 6222****0017"`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return v.run(cmd, o) },
	}
	v.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&v.in.MID, "mid", "", "merchant number, 15 characters")
	f.StringVar(&v.suite, "suite", "tdes", "suite of the keys: tdes, aes, sm4")
	f.StringVar(&v.in.Profile.Bank, "bank", "", "bank of the merchant's account")
	f.StringVar(&v.in.Profile.Access, "access", "ethernet", "how the terminal reaches the network: 4g, wifi, ethernet")
	f.StringVar(&v.in.Profile.Hotline, "hotline", "95516", "telephone number on the receipts")
	require(cmd, "sn", "tid", "mid")
	return cmd
}

func newTerminalSwap(o *options) *cobra.Command {
	v := &inviting{}
	cmd := &cobra.Command{
		Use:   "swap",
		Short: "Give out an activation code for another device of a terminal",
		Long: `swap invites another device to take the place of a terminal's. Merchant, suite and
profile stay. The present device works on until the code is used.`,
		Example: `  hostsim terminal swap --tid POSD0009 --sn POSD00000002`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return v.swap(cmd, o) },
	}
	v.flags(cmd)
	cmd.Flags().StringVar(&v.suite, "suite", "tdes", "suite of the new keys: tdes, aes, sm4")
	require(cmd, "sn", "tid")
	return cmd
}

func (v *inviting) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&v.in.SN, "sn", "", "serial number of the new device, up to 32 characters")
	f.StringVar(&v.in.TID, "tid", "", "terminal number, 8 characters")
	f.StringVar(&v.address, "address", "127.0.0.1:8584", "address of the enrolment listener, for the QR code")
	f.BoolVar(&v.qr, "qr", true, "print the QR code")
}

func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.MarkFlagRequired(name) //nolint:errcheck // the flag is defined above
	}
}

func (v *inviting) run(cmd *cobra.Command, o *options) (err error) {
	h, err := o.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return v.invite(cmd, h)
}

// swap is an invitation with merchant and profile as they are.
func (v *inviting) swap(cmd *cobra.Command, o *options) (err error) {
	h, err := o.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	t, p, err := h.Terminal(cmd.Context(), v.in.TID)
	if err != nil {
		return err
	}
	v.in.MID, v.in.Profile = t.MID, p
	return v.invite(cmd, h)
}

func (v *inviting) invite(cmd *cobra.Command, h *hostsim.Host) error {
	suite, err := suiteOf(v.suite)
	if err != nil {
		return err
	}
	v.in.Suite = suite
	server, err := h.EnrolmentServer()
	if err != nil {
		return err
	}
	code, until, err := server.Invite(cmd.Context(), v.in)
	if err != nil {
		return err
	}
	a := enrol.Activation{Serial: v.in.SN, Code: code, Host: v.address, Fingerprint: fingerprint(h)}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "activation code %s\nfor device %s, terminal %s of merchant %s\ngood until %s\n%s\n",
		code, v.in.SN, v.in.TID, v.in.MID, until.Format("2006-01-02 15:04:05"), a)
	if !v.qr {
		return nil
	}
	symbol, err := a.QR()
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, qrtext.Blocks(symbol))
	return err
}

func suiteOf(name string) (keyblock.Suite, error) {
	for _, s := range []keyblock.Suite{keyblock.TDES, keyblock.AES, keyblock.SM4} {
		if string(s) == name {
			return s, nil
		}
	}
	return "", fmt.Errorf("--suite %s: tdes, aes or sm4 wanted", name)
}
