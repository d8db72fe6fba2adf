//! Signing keys: OpenSSH files and ssh-agent.
