/** Names of subjects, which may begin with a context: `:.CONTEXT:SUBJECT`. */
import { DEFAULT_CONTEXT, type SchemaApiOptions } from '../../../../config/link/schema-sync-options.ts'

export interface SubjectName {
  readonly context: string
  readonly subject: string
}

export function parseSubject (text: string): SubjectName {
  const [, context, subject] = /^:(\.[^:]*):(.*)$/s.exec(text) ?? []
  return context === undefined || subject === undefined ? { context: DEFAULT_CONTEXT, subject: text } : { context, subject }
}

export function formatSubject ({ context, subject }: SubjectName): string {
  // A subject of the default context that looks like one of another has to say that it is not.
  if (context === DEFAULT_CONTEXT) return /^:\.[^:]*:/.test(subject) ? `:.:${subject}` : subject
  return `:${context}:${subject}`
}

/** What stands for a context as a whole where a subject is expected; null for the default one, which has paths of its own. */
export function contextScope (context: string): string | null {
  return context === DEFAULT_CONTEXT ? null : `:${context}:`
}

/** Which subjects of the source go where on the shadow. */
export class SubjectMap {
  readonly #options: Pick<SchemaApiOptions, 'contexts' | 'subjects' | 'mappings'>
  readonly #subjects: ReadonlySet<string>

  constructor (options: Pick<SchemaApiOptions, 'contexts' | 'subjects' | 'mappings'>) {
    this.#options = options
    this.#subjects = new Set(options.subjects.map(text => formatSubject(parseSubject(text))))
  }

  /** The filter selects it; it may be in a context that is mapped nowhere. */
  selects (name: SubjectName): boolean {
    return this.selectsContext(name.context) || this.#subjects.has(formatSubject(name))
  }

  /** All of a context is selected. */
  selectsContext (context: string): boolean {
    const { contexts, subjects } = this.#options
    return (contexts.length === 0 && subjects.length === 0) || contexts.includes(context)
  }

  /** The context of the shadow; null for one that is mapped nowhere. */
  destinationOf (context: string): string | null {
    const { mappings } = this.#options
    return mappings === null ? context : mappings.find(({ source }) => source === context)?.destination ?? null
  }

  /** The context of the source that a context of the shadow is a copy of; null where it is none. */
  sourceOf (context: string): string | null {
    const { mappings } = this.#options
    return mappings === null ? context : mappings.find(({ destination }) => destination === context)?.source ?? null
  }

  /** A subject's name on the shadow; null for one that is not copied. */
  toShadow (name: SubjectName): SubjectName | null {
    const context = this.destinationOf(name.context)
    return context === null ? null : { context, subject: name.subject }
  }

  /** The contexts that are copied whatever is in them now: nobody else may give out ids there. `seen` are those with subjects. */
  sourceContexts (seen: Iterable<string>): string[] {
    const { contexts, subjects, mappings } = this.#options
    const named = [...contexts, ...subjects.map(text => parseSubject(text).context)]
    const wanted = named.length > 0 ? named : mappings?.map(({ source }) => source) ?? [DEFAULT_CONTEXT]
    return [...new Set([...wanted, ...seen])].filter(context => this.destinationOf(context) !== null).sort()
  }
}
