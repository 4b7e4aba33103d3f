//! `inspect`, `verify`, `backup` and `restore`, as an operator runs them.

mod backup;
mod cluster;
mod damage;
mod image;
mod run;
