typedef int libproto_http_placeholder; /* removed by the first real source of this folder */
