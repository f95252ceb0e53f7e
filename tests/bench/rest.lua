-- One request again and again; the last line says how it went: requests, seconds, median in seconds.
-- METHOD, TARGET, TOKEN and BODY come from the environment.
wrk.method = os.getenv("METHOD")
wrk.body = os.getenv("BODY")
wrk.headers["Authorization"] = os.getenv("TOKEN")
wrk.headers["Content-Type"] = "application/json"

function done(summary, latency)
	io.write(string.format("\nfigures %d %.6f %.6f %d\n", summary.requests, summary.duration / 1e6,
		latency:percentile(50) / 1e6,
		summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
