package network

import (
	"fmt"
	"io"
	"net/http"
)

// Bounded is next with answers whose bodies end with an error after limit bytes, for clients that read them whole. from is the lowest status
// that is bounded: 0 for every answer, 300 where a successful one is a download.
func Bounded(next http.RoundTripper, limit int64, from int) http.RoundTripper {
	return &bounded{next, limit, from}
}

type bounded struct {
	next  http.RoundTripper
	limit int64
	from  int
}

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil && answer.StatusCode >= b.from {
		answer.Body = &boundedBody{answer.Body, b.limit, b.limit}
	}
	return answer, err
}

// CloseIdleConnections lets an http.Client close those of next.
func (b *bounded) CloseIdleConnections() {
	if c, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type boundedBody struct {
	io.ReadCloser
	left, limit int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left == 0 { // whether it ends here
		n, err := b.ReadCloser.Read(make([]byte, 1))
		if n > 0 {
			err = fmt.Errorf("the answer is larger than %d bytes", b.limit)
		}
		return 0, err
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
