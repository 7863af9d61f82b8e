package moln.runtime;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** Plain HTTP/1.1 over one kept-open socket, responses in the order of requests. */
final class Channel {
    private static final int BUFFER_BYTES = 64 << 10;
    private static final int LINE_BYTES_MAX = 1 << 20;

    private final String address;
    private final InputStream in;
    private final OutputStream out;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private int at;
    private int end;

    /** A response: the body, and the headers by lower-case name. */
    static final class Response {
        final Map<String, String> headers = new HashMap<>();
        byte[] body = new byte[0];

        String header(String name) {
            return headers.get(name);
        }
    }

    Channel(String address) throws IOException {
        this.address = address;
        int colon = address.lastIndexOf(':');
        Socket socket = new Socket(InetAddress.getByName(address.substring(0, colon)), Integer.parseInt(address.substring(colon + 1)));
        socket.setTcpNoDelay(true);
        in = socket.getInputStream();
        out = socket.getOutputStream();
    }

    byte[] get(String target) {
        return ascii("GET " + target + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
    }

    byte[] post(String target, byte[] body, String headers) {
        byte[] head = ascii("POST " + target + " HTTP/1.1\r\nHost: " + address + "\r\nContent-Length: " + body.length + "\r\n" + headers + "\r\n");
        return join(head, body);
    }

    static byte[] join(byte[] a, byte[] b) {
        byte[] all = new byte[a.length + b.length];
        System.arraycopy(a, 0, all, 0, a.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    void send(byte[] data) throws IOException {
        out.write(data);
        out.flush();
    }

    Response receive() throws IOException {
        Response r = new Response();
        line();
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            r.headers.put(line.substring(0, colon).toLowerCase(), line.substring(colon + 1).trim());
        }
        String length = r.header("content-length");
        r.body = new byte[length == null ? 0 : Integer.parseInt(length)];
        for (int have = 0; have < r.body.length;) {
            if (at == end) {
                fill();
            }
            int n = Math.min(end - at, r.body.length - have);
            System.arraycopy(buffer, at, r.body, have, n);
            at += n;
            have += n;
        }
        return r;
    }

    private String line() throws IOException {
        ByteArrayOutputStream text = new ByteArrayOutputStream(80);
        while (text.size() < LINE_BYTES_MAX) {
            if (at == end) {
                fill();
            }
            byte b = buffer[at++];
            if (b == '\n') {
                break;
            }
            if (b != '\r') {
                text.write(b);
            }
        }
        return new String(text.toByteArray(), StandardCharsets.UTF_8);
    }

    private void fill() throws IOException {
        at = 0;
        end = in.read(buffer);
        if (end <= 0) {
            Runtime.getRuntime().halt(1); // the platform is gone: there is nobody to tell
        }
    }

    private static byte[] ascii(String s) {
        return s.getBytes(StandardCharsets.ISO_8859_1);
    }
}
