typedef int libproto_rpc_placeholder; /* removed by the first real source of this folder */
