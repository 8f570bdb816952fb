package vm

import (
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"
)

// monitor speaks QMP, QEMU's machine protocol.
type monitor struct {
	mu   sync.Mutex
	conn net.Conn
	in   *json.Decoder
}

type reply struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

func newMonitor(conn net.Conn) (*monitor, error) {
	m := &monitor{conn: conn, in: json.NewDecoder(conn)}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	var greeting struct {
		QMP json.RawMessage
	}
	if err := m.in.Decode(&greeting); err != nil {
		return nil, fmt.Errorf("QEMU's monitor: %w", err)
	}
	_, err := m.execute("qmp_capabilities", nil)
	return m, err
}

// execute gives one command and waits for its reply.
func (m *monitor) execute(command string, arguments map[string]any) (json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conn.SetDeadline(time.Now().Add(10 * time.Second))
	order := map[string]any{"execute": command}
	if arguments != nil {
		order["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(order); err != nil {
		return nil, fmt.Errorf("monitor: %s: %w", command, err)
	}
	for {
		var r reply
		if err := m.in.Decode(&r); err != nil {
			return nil, fmt.Errorf("monitor: %s: %w", command, err)
		}
		switch {
		case r.Event != "":
		case r.Error != nil:
			return nil, fmt.Errorf("monitor: %s: %s", command, r.Error.Desc)
		default:
			return r.Return, nil
		}
	}
}

// human gives a command of the monitor for people and returns its text.
func (m *monitor) human(command string) (string, error) {
	raw, err := m.execute("human-monitor-command", map[string]any{"command-line": command})
	if err != nil {
		return "", err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", fmt.Errorf("monitor: %s: %w", command, err)
	}
	return text, nil
}
