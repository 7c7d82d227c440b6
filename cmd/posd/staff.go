package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"posd/emv/keyblock"
	"posd/store/keys"
	"posd/store/operators"
	"posd/transport/control"
)

// staff knows who may do what. As long as no operator is set up nobody is asked for a
// password, and the number decides alone: a terminal on a developer's desk.
type staff struct {
	a    *agent
	list *operators.Operators
}

// known tells whether operators were set up.
func (s *staff) known() (bool, error) {
	list, err := s.list.List(s.a.world.now())
	return len(list) > 0, err
}

// number reads the two digits of a person.
func number(p control.Person) (int, error) {
	n, err := strconv.Atoi(p.Number)
	if err != nil || len(p.Number) != 2 || n < 0 {
		return 0, fmt.Errorf("%w: operator %.10q: two digits wanted", control.ErrInvalid, p.Number)
	}
	return n, nil
}

// check says whether the person is who they say, and has at least the role. It leaves
// nobody logged in: each order brings its own proof.
func (s *staff) check(ctx context.Context, p control.Person, least operators.Role) error {
	n, err := number(p)
	if err != nil {
		return err
	}
	known, err := s.known()
	if err != nil {
		return err
	}
	if !known {
		if operators.RoleOf(n) < least {
			return fmt.Errorf("%w: operator %02d may not do this", control.ErrPassword, n)
		}
		return nil
	}
	session, err := s.login(ctx, n, p)
	if err != nil {
		return err
	}
	defer s.list.Logout(session)
	return denied(s.list.Require(session, least, s.a.world.now()))
}

func (s *staff) login(ctx context.Context, n int, p control.Person) (operators.Session, error) {
	session, err := s.list.Login(ctx, n, []byte(p.Password), s.a.world.now())
	return session, denied(err)
}

// denied gives the socket's error to what the operators' package refuses.
func denied(err error) error {
	for _, known := range []error{
		operators.ErrPassword, operators.ErrLocked, operators.ErrMustChange, operators.ErrRole, operators.ErrInUse, operators.ErrSession,
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w: %w", control.ErrPassword, err)
		}
	}
	var rule *operators.RuleError
	if errors.As(err, &rule) || errors.Is(err, operators.ErrNumber) || errors.Is(err, operators.ErrSetUp) {
		return fmt.Errorf("%w: %w", control.ErrInvalid, err)
	}
	return err
}

// Operators lists the staff.
func (b backend) Operators(context.Context) ([]control.OperatorEntry, error) {
	now := b.a.world.now()
	list, err := b.a.staff.list.List(now)
	if err != nil {
		return nil, err
	}
	out := make([]control.OperatorEntry, 0, len(list))
	for _, o := range list {
		out = append(out, control.OperatorEntry{
			Number: fmt.Sprintf("%02d", o.Number), Role: o.Role.String(), LastLogin: o.LastLogin,
			Locked: o.Locked.After(now), MustChange: o.MustChange, Expires: o.Expires,
		})
	}
	return out, nil
}

// SetUp makes administrator and supervisor known.
func (b backend) SetUp(ctx context.Context, administrator, supervisor control.Person) error {
	return denied(b.a.staff.list.Setup(ctx, []byte(administrator.Password), []byte(supervisor.Password), b.a.world.now()))
}

// ChangePassword changes one's own.
func (b backend) ChangePassword(ctx context.Context, who control.Person, next string) error {
	return b.as(ctx, who, func(s operators.Session) error {
		_, err := b.a.staff.list.Change(ctx, s, []byte(who.Password), []byte(next), b.a.world.now())
		return err
	})
}

// as does something in the name of a person who proves who they are.
func (b backend) as(ctx context.Context, who control.Person, do func(operators.Session) error) error {
	n, err := number(who)
	if err != nil {
		return err
	}
	session, err := b.a.staff.login(ctx, n, who)
	if err != nil {
		return err
	}
	defer b.a.staff.list.Logout(session)
	return denied(do(session))
}

// AddOperator makes an operator known.
func (b backend) AddOperator(ctx context.Context, by, next control.Person) error {
	return b.aboutOther(ctx, by, next, func(s operators.Session, n int) error {
		return b.a.staff.list.Add(ctx, s, n, []byte(next.Password), b.a.world.now())
	})
}

// ResetOperator gives an operator a first password again.
func (b backend) ResetOperator(ctx context.Context, by, next control.Person) error {
	return b.aboutOther(ctx, by, next, func(s operators.Session, n int) error {
		return b.a.staff.list.Reset(ctx, s, n, []byte(next.Password), b.a.world.now())
	})
}

// RemoveOperator forgets an operator.
func (b backend) RemoveOperator(ctx context.Context, by control.Person, other string) error {
	return b.aboutOther(ctx, by, control.Person{Number: other}, func(s operators.Session, n int) error {
		return b.a.staff.list.Remove(ctx, s, n, b.a.world.now())
	})
}

func (b backend) aboutOther(ctx context.Context, by, other control.Person, do func(s operators.Session, n int) error) error {
	n, err := number(other)
	if err != nil {
		return err
	}
	return b.as(ctx, by, func(s operators.Session) error { return do(s, n) })
}

// LoadComponent takes one of two parts of a master key. The people are supervisor and
// administrator, or operators whom one of them knows: two different ones, with passwords
// where operators are set up.
func (b backend) LoadComponent(ctx context.Context, who control.Person, c control.Component) (string, error) {
	if err := b.a.locked(); err != nil {
		return "", err
	}
	if err := b.a.staff.check(ctx, who, operators.Cashier); err != nil {
		return "", err
	}
	var kcv string
	var failed error
	err := b.a.till.do(ctx, func(ctx context.Context) { kcv, failed = b.a.component(ctx, who.Number, c) })
	return kcv, errors.Join(err, failed)
}

// component is run by the till.
func (a *agent) component(ctx context.Context, person string, c control.Component) (string, error) {
	part, err := keys.ParseComponent([]byte(c.Part))
	if err != nil {
		return "", fmt.Errorf("%w: %w", control.ErrInvalid, err)
	}
	if c.Whole == "" {
		return "", a.firstComponent(person, part, c)
	}
	if a.parts == nil {
		clear(part)
		return "", fmt.Errorf("%w: the first part is missing", control.ErrInvalid)
	}
	if _, err := a.parts.Second(person, part, c.KCV); err != nil {
		return "", fmt.Errorf("%w: %w", control.ErrInvalid, err)
	}
	info, err := a.parts.Confirm(c.Whole)
	if err != nil {
		a.parts.Cancel() // both begin anew: nobody guesses at the last step
		return "", fmt.Errorf("%w: %w", control.ErrInvalid, err)
	}
	return info.KCV, a.adopt(ctx)
}

func (a *agent) firstComponent(person string, part []byte, c control.Component) error {
	if a.parts != nil {
		a.parts.Cancel()
	}
	suite := keyblock.Suite(c.Suite)
	if suite == "" {
		suite = keyblock.TDES
	}
	parts, err := a.keys.EnterComponents(suite)
	if err == nil {
		err = parts.First(person, part, c.KCV)
	}
	if err != nil {
		clear(part)
		return fmt.Errorf("%w: %w", control.ErrInvalid, err)
	}
	a.parts = parts
	return nil
}

// adopt hands a master key that came in another way than by block to the PIN pad, and has
// the line sign on under it.
func (a *agent) adopt(ctx context.Context) error {
	block, err := a.keys.MasterBlock(a.world.rand)
	if err != nil {
		return err
	}
	if err := a.loadPadKey(ctx, block); err != nil {
		return err
	}
	if !a.mayTalk() {
		a.link.Kick()
	}
	return nil
}
