/** The log that the controllers of a KRaft cluster keep. Its id is fixed: `Uuid.METADATA_TOPIC_ID`, which is (0, 1). */
export const METADATA_TOPIC = '__cluster_metadata'
export const METADATA_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
export const METADATA_PARTITION = 0
