"""The text syntax of WIT: tokens, lexer, AST, parser and printer."""
