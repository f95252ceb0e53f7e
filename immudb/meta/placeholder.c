typedef int immudb_meta_placeholder; /* removed by the first real source of this folder */
