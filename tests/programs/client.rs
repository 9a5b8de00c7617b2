// client: connects, asks, prints the reply, closes: `client HOST PORT COUNT`.
use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    for _ in 0..words[3].parse().unwrap() {
        let mut connection = std::net::TcpStream::connect(format!("{}:{}", words[1], words[2]))?;
        let mut reply = [0; 100];
        connection.write_all(b"hello?\n")?;
        let len = connection.read(&mut reply)?;
        print!("{}", String::from_utf8_lossy(&reply[..len]));
    }
    Ok(())
}
