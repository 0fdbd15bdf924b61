package network

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// authority is a file with certificates to trust beside the system's.
type authority struct {
	path, from string
	pem        []byte
}

// configuredAuthorities reads the files that the configuration and the environment name.
func configuredAuthorities(s Settings) ([]authority, error) {
	var files []authority
	for _, f := range []authority{
		{path: s.CABundleFile, from: "ca_bundle_file"},
		{path: os.Getenv("AWS_CA_BUNDLE"), from: "AWS_CA_BUNDLE"},
		{path: os.Getenv("AWS_SSL_CA_BUNDLE"), from: "AWS_SSL_CA_BUNDLE"},
	} {
		if f.path != "" {
			files = append(files, f)
		}
	}
	if dir := os.Getenv("AWS_SSL_CA_DIRECTORY"); dir != "" {
		found, err := filepath.Glob(filepath.Join(dir, "*.pem"))
		if err != nil {
			return nil, fmt.Errorf("cannot read AWS_SSL_CA_DIRECTORY: %w", err)
		}
		for _, path := range found {
			files = append(files, authority{path: path, from: "AWS_SSL_CA_DIRECTORY"})
		}
	}
	for i, f := range files {
		pem, err := os.ReadFile(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot trust the authorities of %s: %s is missing", f.from, f.path)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot trust the authorities of %s: %w", f.from, err)
		}
		if err := s.Guard.Check(f.path); err != nil {
			return nil, fmt.Errorf("cannot trust the authorities of %s: %w", f.from, err)
		}
		files[i].pem = pem
	}
	return files, nil
}

// extend adds the files' certificates to pool.
func extend(pool *x509.CertPool, files []authority) error {
	for _, f := range files {
		if !pool.AppendCertsFromPEM(f.pem) {
			return fmt.Errorf("cannot trust the authorities of %s: %s has no certificate in PEM form", f.from, f.path)
		}
	}
	return nil
}

// everyAuthority is the system's pool with the files' certificates, nil for the system's alone.
func everyAuthority(files []authority) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("cannot read the system's certificate authorities: %w", err)
	}
	return pool, extend(pool, files)
}

// systemBundles are the files in which distributions keep the authorities of the system; the first that is there counts, as for Go.
var systemBundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Amazon Linux, RHEL
	"/etc/ssl/ca-bundle.pem",                            // SUSE
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 10
}

// likelyAuthorities is a part of everyAuthority that costs little: the files' certificates and those authorities of the system that sign for AWS.
// Go parses each authority of the system, most of them twice, and keeps them all: for the agent that was a third of its start and a tenth
// of its memory. nil means that there is no such part.
func likelyAuthorities(files []authority) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if err := extend(pool, files); err != nil {
		return nil, err
	}
	// SSL_CERT_FILE and SSL_CERT_DIR are Go's and OpenSSL's and say where the system's authorities are.
	if runtime.GOOS != "linux" || os.Getenv("SSL_CERT_FILE") != "" || os.Getenv("SSL_CERT_DIR") != "" {
		return nil, nil
	}
	found := len(files) > 0
	for _, path := range systemBundles {
		bundle, err := os.Open(path)
		if err != nil {
			continue // what is wrong with it is told by everyAuthority
		}
		defer bundle.Close()
		eachCertificate(bundle, func(der []byte) {
			if !signsForAWS(der) {
				return
			}
			if c, err := x509.ParseCertificate(bytes.Clone(der)); err == nil {
				pool.AddCert(c)
				found = true
			}
		})
		break
	}
	if !found {
		return nil, nil
	}
	return pool, nil
}

// eachCertificate calls found with each certificate of a bundle, in DER form, which is valid until found returns. Of what cannot be read it says
// nothing. Package encoding/pem wants the whole file in memory and makes as much of it again, most of which is looked at once.
func eachCertificate(bundle io.Reader, found func(der []byte)) {
	var text, der []byte
	inside := false
	for lines := bufio.NewScanner(bundle); lines.Scan(); {
		switch line := bytes.TrimSpace(lines.Bytes()); {
		case bytes.Equal(line, []byte("-----BEGIN CERTIFICATE-----")):
			text, inside = text[:0], true
		case bytes.Equal(line, []byte("-----END CERTIFICATE-----")) && inside:
			der = slices.Grow(der[:0], base64.StdEncoding.DecodedLen(len(text)))
			if n, err := base64.StdEncoding.Decode(der[:cap(der)], text); err == nil {
				found(der[:n])
			}
			inside = false
		case inside:
			text = append(text, line...)
		}
	}
}

// signsForAWS tells whether a certificate has the name of a root of Amazon Trust Services, see https://www.amazontrust.com/repository/.
func signsForAWS(der []byte) bool {
	return bytes.Contains(der, []byte("Amazon Root CA ")) || bytes.Contains(der, []byte("Starfield Services Root Certificate Authority"))
}
