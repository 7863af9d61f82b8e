package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    static int calls;

    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context c) {
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("event", event);
        out.put("id", c.getAwsRequestId());
        out.put("table", System.getenv("TABLE"));
        out.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        out.put("calls", ++calls);
        out.put("none", null);
        return out;
    }

    public enum Colour { RED, BLUE }

    public static class Order {
        private String name;
        private List<Item> items = new ArrayList<>();
        private Optional<String> note = Optional.empty();
        public Map<Colour, Integer> stock;
        private Colour colour;
        private boolean open;
        private Instant at;
        private Date day;

        public String getName() { return name; }
        public void setName(String v) { name = v; }
        public List<Item> getItems() { return items; }
        public void setItems(List<Item> v) { items = v; }
        public Optional<String> getNote() { return note; }
        public void setNote(Optional<String> v) { note = v; }
        public Colour getColour() { return colour; }
        public void setColour(Colour v) { colour = v; }
        public boolean isOpen() { return open; }
        public void setOpen(boolean v) { open = v; }
        public Instant getAt() { return at; }
        public void setAt(Instant v) { at = v; }
        public Date getDay() { return day; }
        public void setDay(Date v) { day = v; }
        public String getURL() { return name == null ? null : "u/" + name; }
    }

    public static class Item {
        private long cents;
        private byte[] data;

        public long getCents() { return cents; }
        public void setCents(long v) { cents = v; }
        public byte[] getData() { return data; }
        public void setData(byte[] v) { data = v; }
    }

    public Order pojo(Order o) {
        if (o.getItems().size() > 0 && !(o.getItems().get(0) instanceof Item)) {
            throw new IllegalStateException("the list holds " + o.getItems().get(0).getClass());
        }
        return o;
    }

    public List<Item> items(List<Item> list, Context c) {
        list.get(0).setCents(list.get(0).getCents() + 1);
        return list;
    }

    public static int sum(int n) { return n + 1; }

    public String hello(String name) { return "hello " + name; }

    public void nothing() { System.out.println("printed"); }

    public String logs(String x, Context c) {
        c.getLogger().log("two\nlines");
        c.getLogger().log("level", LogLevel.WARN);
        return null;
    }

    public String fails(String x) { throw new IllegalArgumentException("bad " + x, new RuntimeException("why")); }

    public String checked(String x) throws IOException { throw new IOException(); }

    public void stream(InputStream in, OutputStream out, Context c) throws IOException {
        for (int b = in.read(); b >= 0; b = in.read()) {
            out.write(b + 1);
        }
    }

    public boolean here(Object x) { return new java.io.File("example/Handler.class").exists(); }

    public String exits(String x) { System.exit(3); return x; }

    public String hangs(String x) throws InterruptedException { Thread.sleep(60000); return x; }

    public int memory(String x) {
        List<byte[]> all = new ArrayList<>();
        while (true) {
            all.add(new byte[8 << 20]);
        }
    }

    public String big(String x) { return String.join("", Collections.nCopies(7 << 20, "x")); }

    public boolean remaining(Object x, Context c) { return c.getRemainingTimeInMillis() > 0 && c.getMemoryLimitInMB() == 128; }

    public static class Bytes implements RequestStreamHandler {
        @Override
        public void handleRequest(InputStream in, OutputStream out, Context c) throws IOException {
            out.write("\"raw\"".getBytes());
        }
    }

    public abstract static class Base<T> implements RequestHandler<T, T> {
        @Override
        public T handleRequest(T in, Context c) { return in; }
    }

    public static class Derived extends Base<Item> { }

    public static class Broken {
        static { if (true) { throw new IllegalStateException("no"); } }
        public String go() { return ""; }
    }

    public static class Private { private Private() { } public String go() { return ""; } }

    public static class Throwing { public Throwing() { throw new IllegalStateException("made"); } public String go() { return ""; } }
}
