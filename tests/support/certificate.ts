// A certificate for localhost and its key. The certificate is only for tests, and is valid for a
// hundred years.

export const CERTIFICATE = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBmBDql7aODu8aVdn
SO8M1Tikh836Sw2jAKjRv/HdOKWhRANCAARtru3LTLGrd5oUhfuoGtcW+aaph0cB
FL65irrxnr/FCXdKcjSh4msrdygtgL8l38X5pxxoHcLgtXmRpBPtsVVl
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUNuCsA3xel1XTz8t/wVpSiD3TU0AwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzE1MTA1M1oYDzIxMjYxMDMw
MTUxMDUzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARtru3LTLGrd5oUhfuoGtcW+aaph0cBFL65irrxnr/FCXdKcjSh4msr
dygtgL8l38X5pxxoHcLgtXmRpBPtsVVlo28wbTAdBgNVHQ4EFgQUO9gFkRqNYtsC
1extAmLwtSsOZsswHwYDVR0jBBgwFoAUO9gFkRqNYtsC1extAmLwtSsOZsswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAJ638/PYy/ky3LTO5m18C9AHYaGXxkmTL9jCR73sBj9zAiEA
qprfKPq+bi/SXnUUYyRMtIb0QvZlGe3qicbroN7SooA=
-----END CERTIFICATE-----`,
};
