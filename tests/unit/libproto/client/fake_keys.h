#ifndef FAKE_KEYS_H
#define FAKE_KEYS_H

/* A signing key of a server, its public half, and the public key of somebody else. */
static const char fake_private_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIE4zNn01SN9MSRjgce/St+P5wZJ8FwZCOuVjxQXZd9phoAoGCCqGSM49\n"
    "AwEHoUQDQgAEPSIZ7zS4JoiCRBUwBFkL+EhpFnFJQRF9yj5JvpE61wO+iygMAoj0\n"
    "8eY+IAGK1PsNu+CQAlH5Iq0X4L6ZECakPg==\n"
    "-----END EC PRIVATE KEY-----\n";

static const char fake_public_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPSIZ7zS4JoiCRBUwBFkL+EhpFnFJ\n"
    "QRF9yj5JvpE61wO+iygMAoj08eY+IAGK1PsNu+CQAlH5Iq0X4L6ZECakPg==\n"
    "-----END PUBLIC KEY-----\n";

static const char fake_other_public_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEItAhLnPUQv1LNYYwoC/UXnQCRLl/\n"
    "i87CCgHiQ0xQDEG5OpMEjk9bHzWv3PiK2Lxd++XJYtuixh3Y1YJnXXyhKA==\n"
    "-----END PUBLIC KEY-----\n";

#endif
