//! Prompt files: dialects, lint, resolution.
