import type { ShadowTopic } from '../link/shadow-topic.ts'
import { settleConfigs, type AlterConfigs } from '../link/tasks/topics/settle-configs.ts'
import { failoverConfigs } from '../link/tasks/topics/topic-configs.ts'

export interface RestoreOptions {
  /** Changes configs of a topic of the shadow cluster. */
  readonly alter: AlterConfigs
  /** The configs that the topic has because it is a shadow. */
  readonly shadowing: Readonly<Record<string, string>>
}

/**
 * Sets the source's configs. What the shadow cluster refuses goes back to its default, one by one, and is reported: a topic must
 * not keep forever what was only meant for shadowing.
 */
export async function restoreConfigs (topic: ShadowTopic, { alter, shadowing }: RestoreOptions): Promise<Record<string, string>> {
  return await settleConfigs(alter, topic.topic, failoverConfigs(topic.record.configs, shadowing), { resetsRefused: true })
}
