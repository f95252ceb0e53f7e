typedef int libproto_client_placeholder; /* removed by the first real source of this folder */
