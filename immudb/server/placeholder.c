typedef int immudb_server_placeholder; /* removed by the first real source of this folder */
