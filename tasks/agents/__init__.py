"""Agents: whoever turns a node's bundle into its output, by language model, offline or over HTTP."""
