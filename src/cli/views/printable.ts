/** Text from elsewhere as it may be shown on a terminal: control characters, which could rewrite what is shown, become escapes. */
export function printable (text: string, { keepNewlines = false }: { readonly keepNewlines?: boolean } = {}): string {
  return text.replace(/\p{Cc}|\p{Cf}|[\u2028\u2029]/gu, character => {
    if (keepNewlines && character === '\n') return character
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  })
}
