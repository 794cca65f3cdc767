"""A local gateway between LLM clients and LLM providers; import from the submodules."""
