"""The gateway on the Internet: Cloudflare's cloudflared, run, watched and installed."""
