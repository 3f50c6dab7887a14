//! Statements and expressions as the parser reads them: nothing is resolved, every node knows its place.
//!
//! Names are already folded: upper case unless they were quoted.

use std::sync::Arc;

use types::{DataType, Decimal};

/// A place in the statement's text: byte offsets, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
}

/// A name with its place. Equality is of the text alone.
#[derive(Clone, Debug)]
pub struct Ident {
    /// Upper case unless quoted.
    pub text: Arc<str>,
    /// Whether it was written in backticks or double quotes.
    pub quoted: bool,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Ident {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Whether a source is an append-only sequence or the latest value for each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// `STREAM`
    Stream,
    /// `TABLE`
    Table,
}

/// A type as written; names of user types are not looked up here.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeName {
    /// A built-in scalar type.
    Builtin(DataType),
    /// `ARRAY<t>`
    Array(Box<TypeName>),
    /// `MAP<k, v>`
    Map(Box<TypeName>, Box<TypeName>),
    /// `STRUCT<f t, …>`
    Struct(Vec<(Ident, TypeName)>),
    /// A name made by `CREATE TYPE`.
    Custom(Ident),
}

/// What a declared column is for.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnConstraint {
    /// A value column.
    None,
    /// `KEY`
    Key,
    /// `PRIMARY KEY`
    PrimaryKey,
    /// `HEADERS`
    Headers,
    /// `HEADER('name')`
    Header(String),
}

/// A column of `CREATE STREAM|TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// The column's name.
    pub name: Ident,
    /// Its type as written.
    pub type_name: TypeName,
    /// KEY, PRIMARY KEY, HEADER …
    pub constraint: ColumnConstraint,
}

/// The value of a property in `WITH (…)`.
#[derive(Clone, Debug, PartialEq)]
pub enum PropertyValue {
    /// A quoted text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// TRUE or FALSE.
    Boolean(bool),
    /// Any other number, as written.
    Number(String),
    /// NULL.
    Null,
}

/// One `NAME = value` of a `WITH (…)`; names are upper-cased unless quoted.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// The property.
    pub name: Ident,
    /// Its value.
    pub value: PropertyValue,
    /// Where the value stands.
    pub span: Span,
}

/// A whole statement.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are the parts of the form above them")]
pub enum Statement {
    /// `SELECT …`
    Query(Box<Query>),
    /// `CREATE STREAM|TABLE name (columns) WITH (…)`
    CreateSource(CreateSource),
    /// `CREATE STREAM|TABLE name WITH (…) AS SELECT …`
    CreateAs(Box<CreateAs>),
    /// `INSERT INTO name [WITH (…)] SELECT …`
    InsertInto(Box<InsertInto>),
    /// `INSERT INTO name [(columns)] VALUES (…)`
    InsertValues(InsertValues),
    /// `ALTER STREAM|TABLE name ADD [COLUMN] …`
    AlterSource(AlterSource),
    /// `DROP STREAM|TABLE [IF EXISTS] name [DELETE TOPIC]`
    DropSource(DropSource),
    /// `CREATE TYPE [IF NOT EXISTS] name AS type`
    CreateType { name: Ident, type_name: TypeName, if_not_exists: bool },
    /// `DROP TYPE [IF EXISTS] name`
    DropType { name: Ident, if_exists: bool },
    /// `CREATE SOURCE|SINK CONNECTOR [IF NOT EXISTS] name WITH (…)`
    CreateConnector { name: Ident, is_source: bool, if_not_exists: bool, properties: Vec<Property> },
    /// `DROP CONNECTOR [IF EXISTS] name`
    DropConnector { name: Ident, if_exists: bool },
    /// `LIST|SHOW …`
    Show(Show),
    /// `DESCRIBE name [EXTENDED]`, also the old `DESCRIBE EXTENDED name`
    Describe { name: Ident, extended: bool },
    /// `DESCRIBE FUNCTION name`
    DescribeFunction { name: Ident },
    /// `DESCRIBE CONNECTOR name`
    DescribeConnector { name: Ident },
    /// `DESCRIBE STREAMS|TABLES [EXTENDED]`
    DescribeAll { kind: SourceKind, extended: bool },
    /// `EXPLAIN statement|query id`
    Explain(Explain),
    /// `TERMINATE id|ALL` (`None` is ALL), also the old `TERMINATE QUERY id`
    Terminate { query: Option<Ident> },
    /// `PAUSE id|ALL`
    Pause { query: Option<Ident> },
    /// `RESUME id|ALL`
    Resume { query: Option<Ident> },
    /// `PRINT topic [FROM BEGINNING] [INTERVAL|SAMPLE n] [LIMIT n]`
    Print(Print),
    /// `SET 'name' = 'value'`
    Set { name: String, value: String },
    /// `UNSET 'name'`
    Unset { name: String },
    /// `ALTER SYSTEM 'name' = 'value'`
    AlterSystem { name: String, value: String },
    /// `DEFINE name = 'value'`
    Define { name: Ident, value: String },
    /// `UNDEFINE name`
    Undefine { name: Ident },
    /// `ASSERT [NOT EXISTS] TOPIC …`
    AssertTopic { name: Ident, exists: bool, properties: Vec<Property>, timeout_ms: Option<i64> },
    /// `ASSERT [NOT EXISTS] SCHEMA …`
    AssertSchema { subject: Option<Ident>, id: Option<i64>, exists: bool, timeout_ms: Option<i64> },
    /// `RUN SCRIPT 'file'`: the shell's, refused by the server
    RunScript { file: String },
}

/// `CREATE [OR REPLACE] [SOURCE] STREAM|TABLE [IF NOT EXISTS] name (columns) WITH (…)`
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSource {
    /// STREAM or TABLE.
    pub kind: SourceKind,
    /// The new name.
    pub name: Ident,
    /// The declared columns; empty when they are to be inferred.
    pub columns: Vec<ColumnDef>,
    /// The WITH clause.
    pub properties: Vec<Property>,
    /// OR REPLACE.
    pub or_replace: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// CREATE SOURCE …: read-only.
    pub is_source: bool,
}

/// `CREATE [OR REPLACE] STREAM|TABLE [IF NOT EXISTS] name [WITH (…)] AS SELECT …`
#[derive(Clone, Debug, PartialEq)]
pub struct CreateAs {
    /// STREAM or TABLE.
    pub kind: SourceKind,
    /// The new name.
    pub name: Ident,
    /// The WITH clause.
    pub properties: Vec<Property>,
    /// OR REPLACE.
    pub or_replace: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The query that fills it.
    pub query: Query,
}

/// `INSERT INTO name [WITH (…)] SELECT …`
#[derive(Clone, Debug, PartialEq)]
pub struct InsertInto {
    /// The stream written to.
    pub target: Ident,
    /// The WITH clause.
    pub properties: Vec<Property>,
    /// The query that feeds it.
    pub query: Query,
}

/// `INSERT INTO name [(columns)] VALUES (…)`
#[derive(Clone, Debug, PartialEq)]
pub struct InsertValues {
    /// The stream or table written to.
    pub target: Ident,
    /// The columns named; empty means all in declared order.
    pub columns: Vec<Ident>,
    /// One expression for each column.
    pub values: Vec<Expr>,
}

/// `ALTER STREAM|TABLE name ADD [COLUMN] c type, …`
#[derive(Clone, Debug, PartialEq)]
pub struct AlterSource {
    /// STREAM or TABLE.
    pub kind: SourceKind,
    /// The source altered.
    pub name: Ident,
    /// The columns added.
    pub columns: Vec<ColumnDef>,
}

/// `DROP STREAM|TABLE [IF EXISTS] name [DELETE TOPIC]`
#[derive(Clone, Debug, PartialEq)]
pub struct DropSource {
    /// STREAM or TABLE.
    pub kind: SourceKind,
    /// The source dropped.
    pub name: Ident,
    /// IF EXISTS.
    pub if_exists: bool,
    /// DELETE TOPIC.
    pub delete_topic: bool,
}

/// `LIST|SHOW …`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each variant is the statement of its name")]
pub enum Show {
    Streams {
        extended: bool,
    },
    Tables {
        extended: bool,
    },
    Topics {
        all: bool,
        extended: bool,
    },
    Queries {
        extended: bool,
    },
    Functions,
    Types,
    Properties,
    Variables,
    /// `None` is both kinds; `Some(true)` is SOURCE.
    Connectors {
        is_source: Option<bool>,
    },
    ConnectorPlugins,
}

/// `EXPLAIN statement` or `EXPLAIN query_id`
#[derive(Clone, Debug, PartialEq)]
pub enum Explain {
    /// A statement that is not run.
    Statement(Box<Statement>),
    /// A running query.
    Query(Ident),
}

/// `PRINT topic [FROM BEGINNING] [INTERVAL|SAMPLE n] [LIMIT n]`
#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    /// The topic; its case is kept even unquoted.
    pub topic: String,
    /// FROM BEGINNING.
    pub from_beginning: bool,
    /// Every nth record.
    pub interval: Option<i64>,
    /// Stop after so many records.
    pub limit: Option<i64>,
}

/// When results come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Emit {
    /// `EMIT CHANGES`
    Changes,
    /// `EMIT FINAL`
    Final,
}

/// `SELECT … FROM … [WINDOW] [WHERE] [GROUP BY] [PARTITION BY] [HAVING] [EMIT] [LIMIT]`
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The result's columns.
    pub select: Vec<SelectItem>,
    /// The sources.
    pub from: From,
    /// WINDOW.
    pub window: Option<Window>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// GROUP BY: the expressions, without the brackets around several.
    pub group_by: Vec<Expr>,
    /// PARTITION BY.
    pub partition_by: Vec<Expr>,
    /// HAVING.
    pub having: Option<Expr>,
    /// `None` where nothing was written: a pull query at top level, EMIT CHANGES in a persistent one.
    pub emit: Option<Emit>,
    /// LIMIT.
    pub limit: Option<i64>,
    /// The whole query's place.
    pub span: Span,
}

/// One item of a SELECT list.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// `*` or `source.*`
    All {
        /// The source, where one is named.
        source: Option<Ident>,
        /// Where it stands.
        span: Span,
    },
    /// `struct->*`
    StructAll {
        /// The struct.
        base: Expr,
        /// Where it stands.
        span: Span,
    },
    /// `expression [AS alias]`
    Expr {
        /// What is computed.
        expr: Expr,
        /// Its name, where one is given.
        alias: Option<Ident>,
    },
}

/// A named source, perhaps with an alias.
#[derive(Clone, Debug, PartialEq)]
pub struct FromSource {
    /// The stream or table.
    pub name: Ident,
    /// The alias.
    pub alias: Option<Ident>,
}

/// The FROM clause: one source and the joins on it, left to right.
#[derive(Clone, Debug, PartialEq)]
pub struct From {
    /// The first source.
    pub source: FromSource,
    /// What is joined to it, in order.
    pub joins: Vec<Join>,
}

/// How rows without a partner are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "SQL's own words")]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// `[INNER|LEFT|RIGHT|FULL [OUTER]] JOIN source [WITHIN …] ON condition`
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// INNER, LEFT, RIGHT or FULL.
    pub kind: JoinKind,
    /// The right side.
    pub source: FromSource,
    /// WITHIN, for stream-stream joins.
    pub within: Option<Within>,
    /// The condition.
    pub on: Expr,
    /// Where the join stands.
    pub span: Span,
}

/// `WITHIN n unit` or `WITHIN (before, after)`, with `GRACE PERIOD`
#[derive(Clone, Debug, PartialEq)]
pub struct Within {
    /// How far the right record may lie before the left one, in ms.
    pub before_ms: i64,
    /// How far the right record may lie after the left one, in ms.
    pub after_ms: i64,
    /// GRACE PERIOD in ms, where given.
    pub grace_ms: Option<i64>,
}

/// `WINDOW TUMBLING|HOPPING|SESSION (…)`
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The kind with its sizes.
    pub kind: WindowKind,
    /// RETENTION in ms, where given.
    pub retention_ms: Option<i64>,
    /// GRACE PERIOD in ms, where given.
    pub grace_ms: Option<i64>,
    /// Where it stands.
    pub span: Span,
}

/// A window's kind with its sizes in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "SQL's own words")]
pub enum WindowKind {
    Tumbling { size_ms: i64 },
    Hopping { size_ms: i64, advance_ms: i64 },
    Session { gap_ms: i64 },
}

/// A literal in the text.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each variant is the literal of its name")]
pub enum Literal {
    Null,
    Boolean(bool),
    /// Fits 32 bits.
    Integer(i32),
    /// Fits 64 bits only.
    BigInt(i64),
    /// With a point and no exponent: DECIMAL in ksqlDB.
    Decimal(Decimal),
    /// With an exponent.
    Double(f64),
    String(String),
}

/// Arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "arithmetic's own words")]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "SQL's own words")]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    IsDistinctFrom,
    IsNotDistinctFrom,
}

/// `AND` or `OR`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "SQL's own words")]
pub enum LogicalOp {
    And,
    Or,
}

/// Units of an interval argument (`DATEADD(DAYS, …)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the unit of its name")]
pub enum IntervalUnit {
    Years,
    Months,
    Days,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// An expression with its place. Equality ignores the place.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A literal.
    Literal(Literal),
    /// A column or lambda parameter: `name` or `source.name`.
    Column {
        /// The source, where one is named.
        source: Option<Ident>,
        /// The column.
        name: Ident,
    },
    /// `left op right` for numbers (and `+` for strings).
    Arithmetic(ArithmeticOp, Box<Expr>, Box<Expr>),
    /// `left || right`
    Concat(Box<Expr>, Box<Expr>),
    /// `- expr`
    Negate(Box<Expr>),
    /// `left op right`
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// `left AND|OR right`
    Logical(LogicalOp, Box<Expr>, Box<Expr>),
    /// `NOT expr`
    Not(Box<Expr>),
    /// `expr IS NULL`; negated: IS NOT NULL
    IsNull {
        /// What is tested.
        expr: Box<Expr>,
        /// IS NOT NULL.
        negated: bool,
    },
    /// `expr [NOT] BETWEEN low AND high`
    Between {
        /// What is tested.
        expr: Box<Expr>,
        /// The lower bound, included.
        low: Box<Expr>,
        /// The upper bound, included.
        high: Box<Expr>,
        /// NOT BETWEEN.
        negated: bool,
    },
    /// `expr [NOT] IN (…)`
    In {
        /// What is tested.
        expr: Box<Expr>,
        /// The values.
        list: Vec<Expr>,
        /// NOT IN.
        negated: bool,
    },
    /// `expr [NOT] LIKE pattern [ESCAPE 'c']`
    Like {
        /// What is tested.
        expr: Box<Expr>,
        /// The pattern, with % and _.
        pattern: Box<Expr>,
        /// The escape character.
        escape: Option<char>,
        /// NOT LIKE.
        negated: bool,
    },
    /// `CASE [operand] WHEN … THEN … [ELSE …] END`
    Case {
        /// The operand of the simple form.
        operand: Option<Box<Expr>>,
        /// WHEN and THEN.
        branches: Vec<(Expr, Expr)>,
        /// ELSE.
        otherwise: Option<Box<Expr>>,
    },
    /// `CAST(expr AS type)`
    Cast(Box<Expr>, TypeName),
    /// `name(arguments)`; `COUNT(*)` has no arguments and `star` set.
    Call {
        /// The function.
        name: Ident,
        /// The arguments.
        args: Vec<Expr>,
        /// Written with `*` as the only argument.
        star: bool,
    },
    /// `(a, b) => body`
    Lambda {
        /// The parameters.
        params: Vec<Ident>,
        /// What is computed.
        body: Box<Expr>,
    },
    /// An interval unit as an argument.
    Interval(IntervalUnit),
    /// `ARRAY[…]`
    Array(Vec<Expr>),
    /// `MAP(k := v, …)`
    Map(Vec<(Expr, Expr)>),
    /// `STRUCT(f := v, …)`
    Struct(Vec<(Ident, Expr)>),
    /// `base[index]`
    Subscript(Box<Expr>, Box<Expr>),
    /// `base->field`
    Field(Box<Expr>, Ident),
}
