"""One phone call from claim to stored end: instructions, conversation rules, tools, the shell that runs them."""
