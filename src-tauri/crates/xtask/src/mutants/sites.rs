//! Where a change can be switched: the whole expression around an operator, the body of a function, a guard, an arm.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr};

use super::change::Genre;

/// How it is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A function returns before its body.
    Body,
    /// One expression or the other.
    Expression,
    /// A guard holds, or not, whatever it says.
    Guard,
    /// An arm of a match gets a guard.
    Arm { pattern_ends: usize },
}

/// All such places of one file, by kind and by the start of what would be replaced.
pub(super) struct Sites {
    found: BTreeMap<(Genre, usize), Site>,
}

struct Site {
    around: Range<usize>,
    /// All operators that this one stands among without a bracket between.
    chain: Range<usize>,
    way: Way,
}

impl Sites {
    /// Looks through a file.
    ///
    /// # Errors
    ///
    /// When it is not Rust.
    pub(super) fn find(text: &str) -> Result<Sites> {
        let file = syn::parse_file(text).context("a file is not Rust")?;
        let mut finder = Finder {
            found: BTreeMap::new(),
            above: Above::Nothing,
        };
        finder.visit_file(&file);
        Ok(Sites { found: finder.found })
    }

    /// What to put a switch around, and how; none where no switch can be.
    pub(super) fn at(&self, genre: Genre, start: usize, old: &str, new: &str) -> Option<(Range<usize>, Way)> {
        let site = self.found.get(&(genre, start))?;
        // One that binds otherwise may take its operands from its neighbours.
        let is_alike = genre != Genre::BinaryOperator || binding(old) == binding(new);
        let around = if is_alike { &site.around } else { &site.chain };
        Some((around.clone(), site.way))
    }
}

/// Operators with the same number take their operands alike.
fn binding(operator: &str) -> u8 {
    match operator {
        "*" | "/" | "%" => 0,
        "+" | "-" => 1,
        "<<" | ">>" => 2,
        "&" => 3,
        "^" => 4,
        "|" => 5,
        "==" | "!=" | "<" | ">" | "<=" | ">=" => 6,
        "&&" => 7,
        "||" => 8,
        // Assignments.
        _ => 9,
    }
}

struct Finder {
    found: BTreeMap<(Genre, usize), Site>,
    above: Above,
}

/// What the operator that is visited next is an operand of.
enum Above {
    Nothing,
    /// All operators up to the next bracket.
    Chain(Range<usize>),
    /// `… && let a = b && …`, which can be no operand of a switch.
    Let,
}

impl Finder {
    fn add(&mut self, genre: Genre, start: usize, around: Range<usize>, way: Way) {
        let chain = around.clone();
        self.found.insert((genre, start), Site { around, chain, way });
    }

    fn body(&mut self, block: &Block) {
        if let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) {
            let around = first.span().byte_range().start..last.span().byte_range().end;
            self.add(Genre::FnValue, around.start, around, Way::Body);
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.body(&function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.body(&function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        function.default.iter().for_each(|block| self.body(block));
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let around = binary.span().byte_range();
        let above = std::mem::replace(&mut self.above, Above::Nothing);
        let is_let = binds(binary) || matches!((&above, &binary.op), (Above::Let, BinOp::And(_)));
        let chain = match above {
            Above::Chain(chain) => chain,
            Above::Nothing | Above::Let => around.clone(),
        };
        if !is_let {
            let start = binary.op.span().byte_range().start;
            let (chain, way) = (chain.clone(), Way::Expression);
            self.found
                .insert((Genre::BinaryOperator, start), Site { around, chain, way });
        }
        for operand in [&binary.left, &binary.right] {
            self.above = match (&**operand, is_let) {
                (Expr::Binary(_), true) => Above::Let,
                (Expr::Binary(_), false) => Above::Chain(chain.clone()),
                _ => Above::Nothing,
            };
            self.visit_expr(operand);
        }
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let around = unary.span().byte_range();
        self.add(Genre::UnaryOperator, around.start, around, Way::Expression);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_struct(&mut self, literal: &'ast syn::ExprStruct) {
        for field in &literal.fields {
            let start = field.span().byte_range().start;
            self.add(Genre::StructField, start, literal.span().byte_range(), Way::Expression);
        }
        visit::visit_expr_struct(self, literal);
    }

    fn visit_expr_match(&mut self, all: &'ast syn::ExprMatch) {
        for arm in &all.arms {
            match &arm.guard {
                Some((_, guard)) if !holds_let(guard) => {
                    let around = guard.span().byte_range();
                    self.add(Genre::MatchArmGuard, around.start, around, Way::Guard);
                }
                Some(_) => {}
                None => {
                    let way = Way::Arm {
                        pattern_ends: arm.pat.span().byte_range().end,
                    };
                    self.add(
                        Genre::MatchArm,
                        arm.span().byte_range().start,
                        all.span().byte_range(),
                        way,
                    );
                }
            }
        }
        visit::visit_expr_match(self, all);
    }
}

fn binds(binary: &syn::ExprBinary) -> bool {
    matches!(binary.op, BinOp::And(_)) && (holds_let(&binary.left) || holds_let(&binary.right))
}

fn holds_let(expression: &Expr) -> bool {
    if let Expr::Binary(binary) = expression {
        return binds(binary);
    }
    matches!(expression, Expr::Let(_))
}
