/** WIT text in pieces to colour. Pure; one pass. */

export type Piece = { readonly kind: "keyword" | "type" | "comment" | "text"; readonly text: string };

const KEYWORDS = new Set("package interface world use import export include type record variant enum flags resource func static constructor async with as from".split(" "));
const TYPES = new Set("u8 u16 u32 u64 s8 s16 s32 s64 f32 f64 bool char string list option result tuple future stream borrow own map".split(" "));
const TOKEN = /(\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(%?[A-Za-z][A-Za-z0-9-]*)/g;

export function pieces(text: string): readonly Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [whole, comment, word] = match;
    const kind = comment !== undefined ? "comment" : KEYWORDS.has(word ?? "") ? "keyword" : TYPES.has(word ?? "") ? "type" : undefined;
    if (kind === undefined) continue;
    if (match.index > end) found.push({ kind: "text", text: text.slice(end, match.index) });
    found.push({ kind, text: whole });
    end = match.index + whole.length;
  }
  if (end < text.length) found.push({ kind: "text", text: text.slice(end) });
  return found;
}
