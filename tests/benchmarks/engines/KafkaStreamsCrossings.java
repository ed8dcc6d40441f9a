import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The same job on Kafka Streams, at least once, one thread, its store in memory with a changelog. */
public final class KafkaStreamsCrossings {
    private static final int THRESHOLD = 100;
    private static final String SIDES = "sides";

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Price(String symbol, double price) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Tick(Price payload) {}

    record Crossed(String symbol, int threshold, double price) {}

    record Crossing(String source, String type, Crossed payload) {}

    /** Compares each price with the side its key was on. */
    static final class Detect implements Processor<byte[], byte[], byte[], byte[]> {
        private final ObjectReader reader = new ObjectMapper().readerFor(Tick.class);
        private final ObjectWriter writer = new ObjectMapper().writerFor(Crossing.class);
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<String, Integer> sides;

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.sides = context.getStateStore(SIDES);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            try {
                Price price = reader.<Tick>readValue(record.value()).payload();
                Integer across = price.price() >= THRESHOLD ? 1 : 0;
                Integer before = sides.get(price.symbol());
                if (across.equals(before)) {
                    return;
                }
                sides.put(price.symbol(), across);
                if (across == 1 && before != null) {
                    Crossed crossed = new Crossed(price.symbol(), THRESHOLD, price.price());
                    Crossing crossing = new Crossing("stocks", "price_cross_above", crossed);
                    context.forward(record.withValue(writer.writeValueAsBytes(crossing)));
                }
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }

    public static void main(String[] arguments) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("BENCH_GROUP"));
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("BENCH_KAFKA"));
        properties.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("BENCH_STATE_DIRECTORY"));
        properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");

        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(SIDES), Serdes.String(), Serdes.Integer()));
        builder.<byte[], byte[]>stream(System.getenv("BENCH_EVENTS"))
                .process(Detect::new, SIDES)
                .to(System.getenv("BENCH_CROSSINGS"));
        new KafkaStreams(builder.build(), properties).start();
    }
}
