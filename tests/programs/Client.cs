// Client.exe WAY HOST PORT COUNT: connects, sends 7 bytes, and closes in one of the seven ways of
// examples/technique-client.c, by .NET's own calls; "reply": plainly, after the reply was read,
// which it prints.
using System;
using System.Net.Sockets;
using System.Text;
using System.Threading;

static class Client
{
    static void Read(Socket socket)
    {
        var reply = new byte[100];
        Console.Write(Encoding.ASCII.GetString(reply, 0, socket.Receive(reply)));
    }

    static void Close(Socket socket, string way)
    {
        switch (way)
        {
        case "plain": break;
        case "abort": socket.LingerState = new LingerOption(true, 0); break;
        case "sleep": socket.LingerState = new LingerOption(true, 0); Thread.Sleep(1); break;
        case "linger": socket.LingerState = new LingerOption(true, 1); break;
        case "unread":
            socket.LingerState = new LingerOption(true, 1);
            socket.Poll(-1, SelectMode.SelectRead);
            break;
        case "disconnect":
            socket.LingerState = new LingerOption(true, 0);
            socket.Disconnect(false);
            break;
        case "read-last": Read(socket); socket.LingerState = new LingerOption(true, 0); break;
        case "reply": Read(socket); break;
        default: throw new ArgumentException(way);
        }
        socket.Close();
    }

    static void Main(string[] words)
    {
        for (int left = int.Parse(words[3]); left > 0; left--)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Connect(words[1], int.Parse(words[2]));
            socket.Send(Encoding.ASCII.GetBytes("hello?\n"));
            Close(socket, words[0]);
        }
    }
}
