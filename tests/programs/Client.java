import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** Java's ways to close a connection: `java Client WAY HOST PORT COUNT`; prints each reply. */
public class Client {
    static final byte[] REQUEST = "hello?\n".getBytes();
    static String way, host;
    static int port;

    static String exchange(Socket socket) throws IOException {
        byte[] reply = new byte[100];
        socket.getOutputStream().write(REQUEST);
        return new String(reply, 0, socket.getInputStream().read(reply));
    }

    static String socket() throws IOException {
        try (Socket socket = new Socket(host, port)) {
            String reply = exchange(socket);
            if (way.equals("eof"))
                reply += socket.getInputStream().read();
            if (way.equals("half")) {
                socket.shutdownOutput();
                reply += socket.getInputStream().read();
            }
            return reply;
        }
    }

    static String channel() throws IOException {
        try (SocketChannel channel = SocketChannel.open(new InetSocketAddress(host, port))) {
            ByteBuffer reply = ByteBuffer.allocate(100);
            channel.write(ByteBuffer.wrap(REQUEST));
            return new String(reply.array(), 0, channel.read(reply));
        }
    }

    static String http() throws IOException {
        HttpURLConnection connection =
            (HttpURLConnection) new URL("http", host, port, "/").openConnection();
        try (InputStream reply = connection.getInputStream()) {
            return new String(reply.readAllBytes());
        } finally {
            connection.disconnect();
        }
    }

    public static void main(String[] args) throws IOException {
        System.setProperty("http.keepAlive", "false");
        way = args[0];
        host = args[1];
        port = Integer.parseInt(args[2]);
        for (int i = Integer.parseInt(args[3]); i > 0; i--)
            System.out.println(way.equals("http") ? http()
                               : way.equals("channel") ? channel() : socket());
    }
}
