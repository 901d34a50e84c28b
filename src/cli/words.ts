/**
 * A line of the prompt as words.
 *
 * @module
 */

/** Words, or that a quote is still open. */
export type Words =
  | { readonly words: string[] }
  | { readonly open: '"' | "'" | "\\" };

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  0: "\0",
};

/**
 * Splits at blanks, as a shell does: what is in '…' is as it stands; in "…" a
 * backslash makes \n, \r, \t, \0 and takes other characters as they are;
 * outside of quotes it does the latter. What is open goes on in the next line.
 */
export function splitWords(line: string): Words {
  const words: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let i = 0; i < line.length; i++) {
    const char = line[i];
    if (quote === "'") {
      if (char === "'") quote = undefined;
      else word += char;
    } else if (char === "\\") {
      const next = line[++i];
      if (next === undefined) return { open: quote ?? "\\" };
      word = (word ?? "") + (quote === '"' ? ESCAPES[next] ?? next : next);
    } else if (quote === '"') {
      if (char === '"') quote = undefined;
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + char;
  }
  if (quote !== undefined) return { open: quote };
  if (word !== undefined) words.push(word);
  return { words };
}
