package org.apache.kafka.common.record.internal;

/**
 * Kafka moved its record classes from `record` to `record.internal` after 4.1. Code that imports both packages compiles against
 * every line as long as both exist; this makes the second one exist on the lines that are older.
 */
final class PackageOfRecords {
    private PackageOfRecords() {
    }
}
