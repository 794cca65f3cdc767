"""The tunnel: runs, monitors and installs Cloudflare's cloudflared."""
