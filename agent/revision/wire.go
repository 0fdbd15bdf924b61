package revision

import (
	"net/http"
	"net/url"
	"strings"

	"go.uber.org/zap"
)

// wire logs requests and answers without their bodies. What signs or carries a secret is left out.
type wire struct {
	next http.RoundTripper
	log  *zap.Logger
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.log.Debug("request", zap.String("method", r.Method), zap.String("url", plainURL(r.URL)), zap.Reflect("headers", plainHeaders(r.Header)))
	answer, err := w.next.RoundTrip(r)
	if err != nil {
		w.log.Debug("no answer", zap.String("url", plainURL(r.URL)), zap.Error(err))
		return nil, err
	}
	w.log.Debug("answer", zap.String("url", plainURL(r.URL)), zap.String("status", answer.Status), zap.Reflect("headers", plainHeaders(answer.Header)))
	return answer, nil
}

func plainHeaders(h http.Header) map[string]string {
	plain := make(map[string]string, len(h))
	for name, values := range h {
		plain[name] = strings.Join(values, ", ")
		switch name {
		case "Authorization", "Proxy-Authorization", "X-Amz-Security-Token", "Set-Cookie", "Location":
			plain[name] = "(left out)"
		}
	}
	return plain
}

// plainURL leaves out the query, except for an object's version: a signed URL has its secret there.
func plainURL(u *url.URL) string {
	p := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if v := u.Query().Get("versionId"); v != "" {
		p.RawQuery = url.Values{"versionId": {v}}.Encode()
	}
	return p.String()
}
