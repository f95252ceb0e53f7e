#ifndef SAMPLE_KEY_H
#define SAMPLE_KEY_H

/* A key pair for targets and seeds; it protects nothing. */
#define SAMPLE_PRIVATE_KEY \
	"-----BEGIN EC PRIVATE KEY-----\n" \
	"MHcCAQEEIJ3J+YZQl97V5u3wksrgurBR87tnVQscELX6qSNrTinkoAoGCCqGSM49\n" \
	"AwEHoUQDQgAERQLqgJsioosp972uN1VYaVCab+JcU7JUxIW9M/AoNHCzm/9U2maR\n" \
	"AupITuLzsS6j5lQXY3fMI94uU6XF2cWWyg==\n" \
	"-----END EC PRIVATE KEY-----\n"

#define SAMPLE_PUBLIC_KEY \
	"-----BEGIN PUBLIC KEY-----\n" \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERQLqgJsioosp972uN1VYaVCab+Jc\n" \
	"U7JUxIW9M/AoNHCzm/9U2maRAupITuLzsS6j5lQXY3fMI94uU6XF2cWWyg==\n" \
	"-----END PUBLIC KEY-----\n"

#endif
