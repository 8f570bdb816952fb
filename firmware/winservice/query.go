package winservice

import (
	"context"
	"errors"
	"fmt"

	"github.com/oiweiwei/go-msrpc/msrpc/scmr/svcctl/v2"

	"spoolgate/firmware/api"
)

// Query asks for the states of services, in their order, until the deadline of
// ctx. A server that does not answer is a *Failure, and none of them is known. A
// held session that turns out to be broken says nothing of the server, which may
// have been restarted meanwhile: it is opened anew once.
func (s *Session) Query(ctx context.Context, names []string) ([]api.WindowsAnswer, error) {
	return retry(ctx, s, managerConnect, func(l *link) ([]api.WindowsAnswer, error) {
		out := make([]api.WindowsAnswer, 0, len(names))
		for _, name := range names {
			a, err := l.state(ctx, name)
			if err != nil {
				return nil, err
			}
			out = append(out, a)
		}
		return out, nil
	})
}

// retry asks over the held session, and once more over a new one if it is broken.
func retry[T any](ctx context.Context, s *Session, access uint32, ask func(*link) (T, error)) (T, error) {
	for {
		var none T
		held := s.open != nil
		l, err := s.reach(ctx, access)
		if err != nil {
			return none, err
		}
		l.wire.until(ctx)
		got, err := ask(l)
		if err == nil {
			l.wire.free()
			return got, nil
		}
		err = l.wire.judge(err)
		s.Close()
		var f *Failure
		if !held || ctx.Err() != nil || errors.As(err, &f) && f.State != api.WindowsProtocolError {
			return none, err
		}
	}
}

// state asks for one service. Its handle is closed again: Windows removes a
// service, as an update of the print system does, only when nobody holds one.
func (l *link) state(ctx context.Context, name string) (api.WindowsAnswer, error) {
	ctx = context.WithoutCancel(ctx) // the connection's deadline ends it
	service, err := l.manager.OpenServiceW(ctx, &svcctl.OpenServiceWRequest{
		ServiceManager: l.handle, ServiceName: name, DesiredAccess: serviceStatus,
	})
	if code := returned(service, func(r *svcctl.OpenServiceWResponse) uint32 { return r.Return }); code != 0 {
		return refusal(name, code), nil
	}
	if err != nil {
		return api.WindowsAnswer{}, err
	}
	status, err := l.manager.QueryServiceStatus(ctx, &svcctl.QueryServiceStatusRequest{Service: service.Service})
	code := returned(status, func(r *svcctl.QueryServiceStatusResponse) uint32 { return r.Return })
	if err != nil && code == 0 {
		return api.WindowsAnswer{}, err
	}
	if _, err := l.manager.CloseService(ctx, &svcctl.CloseServiceRequest{ServiceObject: service.Service}); err != nil {
		return api.WindowsAnswer{}, fmt.Errorf("close service %s: %w", name, err)
	}
	if code != 0 {
		return refusal(name, code), nil
	}
	if status.ServiceStatus == nil {
		return api.WindowsAnswer{Name: name, State: api.WindowsProtocolError, Detail: "an answer without a state"}, nil
	}
	return api.WindowsAnswer{Name: name, State: state(status.ServiceStatus.CurrentState)}, nil
}

func refusal(name string, code uint32) api.WindowsAnswer {
	switch code {
	case accessDenied:
		return api.WindowsAnswer{Name: name, State: api.WindowsAccessDenied, Detail: "the account may not ask for the state of this service"}
	case noSuchService:
		return api.WindowsAnswer{Name: name, State: api.WindowsUnknown}
	}
	return api.WindowsAnswer{Name: name, State: api.WindowsProtocolError, Detail: fmt.Sprintf("the Service Control Manager answers error %d", code)}
}

// state is the word for a dwCurrentState, MS-SCMR 2.2.47.
func state(n uint32) api.WindowsState {
	words := [...]api.WindowsState{
		1: api.WindowsStopped, 2: api.WindowsStartPending, 3: api.WindowsStopPending, 4: api.WindowsRunning,
		5: api.WindowsContinuePending, 6: api.WindowsPausePending, 7: api.WindowsPaused,
	}
	if n < 1 || n >= uint32(len(words)) {
		return api.WindowsProtocolError
	}
	return words[n]
}
