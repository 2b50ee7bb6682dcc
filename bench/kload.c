/* kload: one load for any Kafka broker, from C, with one JSON line as its result.
 *
 *   kload produce  HOST:PORT TOPIC COUNT BYTES      [key=value]...   as fast as the broker takes them
 *   kload latency  HOST:PORT TOPIC COUNT BYTES      [key=value]...   one at a time; each waits for its answer
 *   kload consume  HOST:PORT TOPIC COUNT PARTITIONS [key=value]...   COUNT records from the start of all partitions
 *
 * key=value are librdkafka's settings. Build: cc -O2 -o kload kload.c -lrdkafka
 * Only delivered records count; one failed delivery is a failure of the run. Payloads repeat with a period of 26 x 7
 * letters, so that compression has something to do, as text has.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_S 120

static int64_t delivered, refused;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void stop_with(const char *words) {
    fprintf(stderr, "kload: %s\n", words);
    exit(2);
}

static void configure(rd_kafka_conf_t *conf, const char *key, const char *value) {
    char why[300];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK) stop_with(why);
}

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        delivered++;
    } else {
        if (refused++ == 0) fprintf(stderr, "kload: %s\n", rd_kafka_err2str(message->err));
    }
}

static char *payload_of(size_t size) {
    char *payload = malloc(size);
    if (payload == NULL) stop_with("no memory");
    for (size_t i = 0; i < size; i++) payload[i] = (char)('a' + (i * 7 + i / 26) % 26);
    return payload;
}

static void produce(rd_kafka_t *client, rd_kafka_topic_t *topic, int64_t count, size_t size) {
    char *payload = payload_of(size);
    double begin = seconds();
    for (int64_t sent = 0; sent < count; sent++) {
        while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, payload, size, NULL, 0, NULL) != 0) {
            rd_kafka_resp_err_t error = rd_kafka_last_error();
            if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) stop_with(rd_kafka_err2str(error));
            rd_kafka_poll(client, 10);
        }
        if (sent % 2000 == 0) rd_kafka_poll(client, 0);
    }
    while (rd_kafka_outq_len(client) > 0) {
        rd_kafka_poll(client, 50);
        if (seconds() - begin > PATIENCE_S) stop_with("not all was delivered in time");
    }
    double took = seconds() - begin;
    printf("{\"records\": %" PRId64 ", \"refused\": %" PRId64 ", \"seconds\": %.4f, \"records_s\": %.0f, \"mb_s\": %.2f}\n",
           delivered, refused, took, (double)delivered / took, (double)delivered * (double)size / took / 1e6);
    free(payload);
}

static int rising(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void latency(rd_kafka_t *client, rd_kafka_topic_t *topic, int64_t count, size_t size) {
    enum { WARM_UP = 300 };
    char *payload = payload_of(size);
    double *took_ms = malloc((size_t)count * sizeof *took_ms);
    if (took_ms == NULL) stop_with("no memory");
    for (int64_t i = -WARM_UP; i < count; i++) {
        int64_t answered = delivered + refused;
        double begin = seconds();
        if (rd_kafka_produce(topic, 0, 0, payload, size, NULL, 0, NULL) != 0) stop_with("cannot send");
        while (delivered + refused == answered) {
            rd_kafka_poll(client, 100);
            if (seconds() - begin > PATIENCE_S) stop_with("no answer in time");
        }
        if (i >= 0) took_ms[i] = (seconds() - begin) * 1e3;
    }
    qsort(took_ms, (size_t)count, sizeof *took_ms, rising);
    printf("{\"records\": %" PRId64 ", \"refused\": %" PRId64 ", \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f}\n", count,
           refused, took_ms[count / 2], took_ms[count * 99 / 100], took_ms[count - 1]);
    free(took_ms);
    free(payload);
}

static void consume(rd_kafka_t *client, rd_kafka_topic_t *topic, int64_t count, int partitions) {
    enum { MOST = 5000 };
    static rd_kafka_message_t *messages[MOST];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    int64_t records = 0, bytes = 0, before = 0;
    double begin = seconds(), first = 0;
    for (int p = 0; p < partitions; p++)
        if (rd_kafka_consume_start_queue(topic, p, RD_KAFKA_OFFSET_BEGINNING, queue) != 0) stop_with("cannot start");
    while (records < count) {
        /* It waits this long for a full array, also at the end: a short time keeps it out of the result. */
        ssize_t got = rd_kafka_consume_batch_queue(queue, 5, messages, MOST);
        for (ssize_t i = 0; i < got; i++) {
            if (messages[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR) stop_with(rd_kafka_message_errstr(messages[i]));
            records++;
            bytes += (int64_t)(messages[i]->len + messages[i]->key_len);
            rd_kafka_message_destroy(messages[i]);
        }
        if (before == 0 && records > 0) {
            before = records;
            first = seconds();
        }
        if (seconds() - begin > PATIENCE_S) stop_with("not all was read in time");
    }
    /* From the first records on: half a second of the client's own goes before, looking for the partitions' leaders. */
    double took = seconds() - first, share = (double)(records - before) / (double)records;
    printf("{\"records\": %" PRId64 ", \"refused\": 0, \"seconds\": %.4f, \"records_s\": %.0f, \"mb_s\": %.2f}\n", records, took,
           (double)records * share / took, (double)bytes * share / took / 1e6);
}

int main(int argc, char **argv) {
    if (argc < 6) stop_with("usage: kload produce|latency|consume HOST:PORT TOPIC COUNT BYTES|PARTITIONS [key=value]...");
    const char *mode = argv[1];
    int64_t count = atoll(argv[4]);
    int reads = strcmp(mode, "consume") == 0, one_by_one = strcmp(mode, "latency") == 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    configure(conf, "bootstrap.servers", argv[2]);
    configure(conf, "log_level", "3");
    if (reads) {
        configure(conf, "check.crcs", "true");
        configure(conf, "queued.min.messages", "500000");
        configure(conf, "queued.max.messages.kbytes", "65536");
    } else {
        configure(conf, "linger.ms", one_by_one ? "0" : "5");
        configure(conf, "queue.buffering.max.messages", "500000");
        configure(conf, "queue.buffering.max.kbytes", "1048576");
        rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    }
    for (int i = 6; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals == NULL) stop_with("settings are key=value");
        *equals = '\0';
        configure(conf, argv[i], equals + 1);
    }
    char why[300];
    rd_kafka_t *client = rd_kafka_new(reads ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (client == NULL) stop_with(why);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, argv[3], NULL);
    if (topic == NULL) stop_with("cannot use the topic");
    if (reads) consume(client, topic, count, atoi(argv[5]));
    else if (one_by_one) latency(client, topic, count, (size_t)atol(argv[5]));
    else if (strcmp(mode, "produce") == 0) produce(client, topic, count, (size_t)atol(argv[5]));
    else stop_with("the mode is produce, latency or consume");
    return refused > 0;
}
