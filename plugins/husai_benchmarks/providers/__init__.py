"""Providers: language models that answer a prompt, wherever they run."""
